"""The webhook pages of the portal: what they show, to which user, and what their buttons do."""

from __future__ import annotations

import asyncio
import html
import re
import shlex
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import pytest

from ringlet import webhooks
from ringlet._cloud.browser.sessions import form_token
from ringlet._cloud.portal.webhooks import DELIVERIES_PER_PAGE, MAX_ANSWER_CHARACTERS
from ringlet._cloud.webhooks.attempts import Attempt
from ringlet._cloud.webhooks.deliveries import Claimed, Outcome
from ringlet._cloud.webhooks.delivery_list import DeliveryList
from ringlet._net.addresses import AddressPolicy
from ringlet._oauth.scopes import SCOPES
from ringlet._webhooks.subscriptions import SUBSCRIPTION_LIFETIME
from ringlet.archive import Archive
from ringlet.cloud import Clock, Cloud

from ..async_callback import async_callback
from ..conftest import NOW, Answer, CloudClient
from ..webhook_service import wait_until
from .test_home import Forms, Person

URL = "https://lab.example/oura?key=canary"


@dataclass
class DeveloperPortal:
    """The portal as the developer of a subscribed application uses it in a browser."""

    client: CloudClient
    person: Any
    client_id: str
    secret: str

    @property
    def cloud(self) -> Cloud:
        return self.client.cloud

    @property
    def delivery_list(self) -> DeliveryList:
        return DeliveryList(self.cloud.archive.database)

    @property
    def log(self) -> str:
        return f"/oauth/applications/{self.client_id}/webhooks"

    def subscribe(self, url: str = URL, data_type: str = "sleep") -> str:
        return self.cloud.subscriptions.create(self.client_id, url, "update", data_type).id

    def publish(self, times: int = 1) -> None:
        for number in range(times):
            self.cloud.publisher.publish(self.client.user, "update", "sleep", f"object {number}")

    def attempt_delivery(
        self, status: int | None = 200, response: bytes = b"so be it", **changes: Any
    ) -> Claimed:
        """Store an attempt of the first delivery that is ready."""
        [ready] = self.cloud.deliveries.ready()
        [claimed] = self.cloud.deliveries.claim([(ready, 1)], timedelta(seconds=30))
        signed = webhooks.signed_headers(self.secret, claimed.body, now=1_772_366_400.0)
        attempt = Attempt(
            delivery_id=claimed.id,
            callback_url=ready.callback_url,
            timestamp=signed["x-oura-timestamp"],
            signature=signed["x-oura-signature"],
            began_at=1_772_366_400_123,
            took=42,
            status=status,
            reason="" if status else "the connection was reset",
            response=response,
        )
        self.cloud.deliveries.finish([Outcome(claimed, replace(attempt, **changes))])
        return claimed

    def page(self, path: str = "", query: str = "") -> Answer:
        answer = self.person(f"{self.log}{path}", query)
        assert answer.status == 200, answer
        assert "<script" not in answer.text
        assert "default-src 'none'" in answer.headers["content-security-policy"]
        assert answer.headers["cache-control"] == "no-store"
        return answer


@pytest.fixture
def portal(runner: Any) -> Iterator[DeveloperPortal]:
    with Archive.open(":memory:") as archive:
        user = archive.user("wearer")
        cloud = Cloud(archive, clock=Clock(NOW), callbacks=AddressPolicy.parse("dev"))
        client = CloudClient(cloud, runner, user)
        client_id, secret = cloud.grants.apps.register("Sleep Lab", ["https://lab.example/cb"], owner=user)
        cloud.grants.issue(client_id, user, SCOPES)
        person = Person(client)
        person.sign_in(user="wearer")
        yield DeveloperPortal(client, person, client_id, secret)


def blocks(answer: Answer) -> list[str]:
    return [html.unescape(one) for one in re.findall(r"<pre[^>]*>(.*?)</pre>", answer.text, re.DOTALL)]


def test_the_home_page_and_the_application_link_to_the_webhook_pages(portal: DeveloperPortal) -> None:
    portal.subscribe()
    home = portal.person("/portal").text
    assert 'href="/webhooks"' in home
    assert "1 subscription." in home
    assert f'href="{portal.log}"' in portal.person("/webhooks").text
    assert f'href="{portal.log}"' in portal.person(f"/oauth/applications/{portal.client_id}").text


def test_a_subscription_is_shown_with_its_expiration_or_the_reason_of_its_end(
    portal: DeveloperPortal,
) -> None:
    assert "The application has no subscriptions." in portal.page().text
    portal.subscribe()
    portal.cloud.deliveries.unsubscribe(portal.client_id, portal.subscribe(data_type="tag"))
    assert "until 30 May 2026" in portal.page().text
    assert "its application ended it, 1 March 2026" in portal.page().text
    portal.publish()
    portal.attempt_delivery(410)
    assert "its callback answered 410" in portal.page().text
    portal.subscribe(data_type="meal")
    portal.cloud.clock.advance(SUBSCRIPTION_LIFETIME)
    portal.person.sign_in(user="wearer")
    assert "its 90 days were over" in portal.page().text


def test_the_log_is_newest_first_by_state_and_in_pages(portal: DeveloperPortal) -> None:
    portal.subscribe()
    portal.publish(DELIVERIES_PER_PAGE + 3)
    portal.attempt_delivery(200)
    links = re.compile(rf'href="{portal.log}/(\d+)"')
    first = [int(id) for id in links.findall(portal.page().text)]
    assert first == sorted(first, reverse=True)
    assert len(first) == DELIVERIES_PER_PAGE
    [older] = re.findall(rf'href="{portal.log}\?(before=\d+)">Older', portal.page().text)
    rest = [int(id) for id in links.findall(portal.page(query=older).text)]
    assert first + rest == list(range(DELIVERIES_PER_PAGE + 3, 0, -1))
    assert "Older" not in portal.page(query=older).text
    assert links.findall(portal.page(query="state=delivered").text) == ["1"]
    waiting = portal.page(query="state=waiting").text
    assert "state=waiting&amp;before=" in waiting
    assert links.findall(portal.page(query="state=failed").text) == []
    for odd in ("state=x", "before=x", "before=" + "9" * 30, "state=%00", "before=-1"):
        assert len(links.findall(portal.page(query=odd).text)) == DELIVERIES_PER_PAGE


def test_a_delivery_shows_each_request_as_it_was_sent_and_what_came_back(portal: DeveloperPortal) -> None:
    portal.subscribe()
    portal.publish()
    claimed = portal.attempt_delivery(500, b"\xff<b>no\r\n\0</b>" + b"x" * 2 * MAX_ANSWER_CHARACTERS)
    text = portal.page("/1").text
    body, answer, curl = blocks(portal.page("/1"))
    assert body.encode() == claimed.body
    assert answer.startswith("\ufffd<b>no\n\ufffd</b>xxx")
    assert len(answer) < MAX_ANSWER_CHARACTERS + 1
    assert "&lt;b&gt;" in text
    assert "2026-03-01 12:00:00 UTC, took 42 ms" in text
    assert "The signature matches the application's current secret." in html.unescape(text)
    assert re.search(r"Next attempt</dt><dd>2026-03-01 12:00:\d\d UTC", text)
    signed = webhooks.signed_headers(portal.secret, claimed.body, now=1_772_366_400.0)
    for name, value in signed.items():
        assert f"<dt>{name}</dt><dd><code>{value}</code></dd>" in text
        assert f"--header {shlex.quote(f'{name}: {value}')}" in curl
    assert text.count("canary") == 1, "the query of a callback stands in the command only"


def test_the_headers_of_an_answer_are_shown_as_text_whatever_they_say(portal: DeveloperPortal) -> None:
    portal.subscribe()
    portal.publish()
    portal.attempt_delivery(
        500, response_headers={"server": "nginx", "x-odd": "<b>\x1b[2J\x85\x9b\xff", "set-cookie": "a=1"}
    )
    text = portal.page("/1").text
    assert "<dt>server</dt><dd><code>nginx</code></dd>" in text
    assert "<dt>x-odd</dt><dd><code>&lt;b&gt;\ufffd[2J\ufffd\ufffd\xff</code></dd>" in text
    assert "<dt>set-cookie</dt><dd><code>a=1</code></dd>" in text
    assert text.index(">Answer<") < text.index(">server<") < text.index(">so be it<")


def test_a_signature_of_another_secret_is_told(portal: DeveloperPortal) -> None:
    portal.subscribe()
    portal.publish()
    portal.attempt_delivery(200)
    portal.cloud.grants.apps.rotate_secret(portal.client_id)
    assert "the secret was replaced since" in portal.page("/1").text


def test_why_no_answer_came_is_told(portal: DeveloperPortal) -> None:
    portal.subscribe()
    portal.publish()
    assert "No attempt has come to an end yet." in portal.page("/1").text
    portal.attempt_delivery(None, b"")
    portal.cloud.clock.advance(timedelta(minutes=1))
    portal.attempt_delivery(None, b"", timestamp="", signature="", reason="<unsigned>")
    text = portal.page("/1").text
    assert text.index("Attempt 2") < text.index("Attempt 1")
    assert "the connection was reset" in text
    assert "&lt;unsigned&gt;" in text
    assert "The request was not signed, so it was not sent." in text
    assert "Answer" not in text
    assert text.count("As curl") == 1


def test_the_command_sends_the_very_request_again(portal: DeveloperPortal) -> None:
    """Run by a shell; what arrives is believed."""
    runner = portal.client.runner

    async def sent() -> tuple[bytes, bytes]:
        async with async_callback(lambda query: (200, b"")) as server:
            portal.subscribe(f"{server.url}?key=it's [1]&x={{2}}".replace(" ", "%20").replace("'", "%27"))
            portal.publish()
            claimed = portal.attempt_delivery(500)
            answer = await portal.client.send(
                f"{portal.log}/1",
                headers={"cookie": "; ".join(f"{k}={v}" for k, v in portal.person.jar.items())},
            )
            curl = blocks(answer)[-1]
            assert await run(curl) == 0, curl
            [(_, query)] = server.requests
            assert query == {"key": "it's [1]", "x": "{2}"}
            return server.bodies[0], claimed.body

    arrived, signed = runner.run(sent())
    assert arrived == signed


async def run(command: str) -> int:
    process = await asyncio.create_subprocess_shell(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    return await process.wait()


# --- Buttons ---


def test_one_is_sent_again(portal: DeveloperPortal) -> None:
    portal.subscribe()
    portal.publish()
    portal.attempt_delivery(200)
    woken: list[bool] = []
    portal.cloud.deliveries.wakeup.notify = lambda: woken.append(True)  # type: ignore[method-assign]
    assert (
        portal.person.send(f"{portal.log}/1", f"{portal.log}/1/resend").headers["location"]
        == f"{portal.log}/1"
    )
    assert woken
    delivery = portal.delivery_list.get(1)
    assert delivery
    assert (delivery.state, delivery.due_at, delivery.attempts) == ("waiting", portal.cloud.clock.ms(), 0)


def test_nothing_is_sent_again_when_its_subscription_has_ended(portal: DeveloperPortal) -> None:
    id = portal.subscribe()
    portal.publish()
    portal.attempt_delivery(200)
    portal.cloud.deliveries.unsubscribe(portal.client_id, id)
    answer = portal.person.send(f"{portal.log}/1", f"{portal.log}/1/resend")
    assert answer.status == 409
    assert "The subscription of this delivery has ended." in answer.text


def test_all_that_failed_is_sent_again_and_only_of_this_application(portal: DeveloperPortal) -> None:
    portal.subscribe()
    assert "Resend all failed" not in portal.page().text
    portal.publish(3)
    apps = portal.cloud.grants.apps
    other, _ = apps.register("Other", ["https://other.example/cb"], owner=portal.client.user)
    portal.cloud.grants.issue(other, portal.client.user, SCOPES)
    portal.cloud.subscriptions.create(other, URL, "update", "sleep")
    portal.publish()
    with portal.cloud.archive.transaction():
        portal.cloud.archive.database.execute(
            "UPDATE webhook_deliveries SET state = 'failed', due_at = NULL WHERE event_seq <> 2"
        )
    assert portal.person.send(portal.log, f"{portal.log}/resend").status == 303
    states = [one.state for one in portal.delivery_list.page(portal.client_id)]
    assert states == ["waiting"] * 4
    assert [one.state for one in portal.delivery_list.page(other)] == ["failed"]


def test_what_is_resent_arrives(portal: DeveloperPortal) -> None:
    async def arrives() -> list[bytes]:
        async with async_callback(lambda query: (200, b"thank you")) as server, portal.cloud.running():
            portal.subscribe(server.url)
            portal.publish()
            await wait_until(lambda: len(server.bodies) == 1)
            await wait_until(lambda: portal.cloud.deliveries.counts()["delivered"] == 1)
            cookie = {"cookie": "; ".join(f"{k}={v}" for k, v in portal.person.jar.items())}
            page = await portal.client.send(f"{portal.log}/1", headers=cookie)
            form = Forms(page.text).found[f"{portal.log}/1/resend"]
            await portal.client.send(f"{portal.log}/1/resend", method="POST", headers=cookie, form=form)
            await wait_until(lambda: len(server.bodies) == 2)
            return server.bodies

    first, second = portal.client.runner.run(arrives())
    assert first == second
    assert "thank you" in portal.page("/1").text


# --- Who may see it ---


def test_nobody_else_sees_or_resends_anything_of_it(portal: DeveloperPortal) -> None:
    portal.subscribe()
    portal.publish()
    portal.attempt_delivery(500, b"a secret answer")
    portal.cloud.archive.user("somebody else")
    other = Person(portal.client)
    other.sign_in(user="somebody else")
    theirs, _ = portal.cloud.grants.apps.register(
        "Theirs", ["https://their.example/cb"], owner=portal.cloud.archive.user("somebody else")
    )
    elsewhere = f"/oauth/applications/{theirs}/webhooks"
    for path in (portal.log, f"{portal.log}/1", f"{elsewhere}/1", f"{elsewhere}/2", f"{elsewhere}/x"):
        answer = other(path)
        assert answer.status == 404, path
        assert "secret answer" not in answer.text
        assert "canary" not in answer.text
    before = portal.delivery_list.get(1)
    for path in (f"{portal.log}/resend", f"{portal.log}/1/resend", f"{elsewhere}/1/resend"):
        assert (
            other(path, method="POST", form={"token": form_token(other.jar["ringlet_session"], path)}).status
            == 404
        ), path
    assert portal.delivery_list.get(1) == before
    assert other("/webhooks").text.count("Sleep Lab") == 0
    assert Person(portal.client)(f"{portal.log}/1").headers["location"].startswith("/sign-in")


def test_a_delivery_is_shown_under_its_own_application_only(portal: DeveloperPortal) -> None:
    """Both applications are the wearer's."""
    portal.subscribe()
    portal.publish()
    other, _ = portal.cloud.grants.apps.register(
        "Other", ["https://other.example/cb"], owner=portal.client.user
    )
    assert portal.person(f"/oauth/applications/{other}/webhooks/1").status == 404
    for id in ("0", "2", "x", "9" * 40, "1%00", "-1"):
        assert portal.person(f"{portal.log}/{id}").status == 404


def test_an_application_that_is_deleted_takes_its_deliveries_along(portal: DeveloperPortal) -> None:
    portal.subscribe()
    portal.publish(2)
    portal.attempt_delivery(500)
    at = f"/oauth/applications/{portal.client_id}/delete"
    assert portal.person.send(at, at).status == 303
    assert portal.delivery_list.page() == []
    assert portal.cloud.deliveries.ready() == []
    assert portal.delivery_list.attempts(1) == []
    assert portal.cloud.subscriptions.of(portal.client_id, ended=True) == []
