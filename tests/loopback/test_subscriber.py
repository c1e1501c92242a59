"""The subscriber, against a cloud in this process that sends its challenges to a receiver on a socket."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringlet import AsyncClient
from ringlet._api.catalog import TYPES
from ringlet._api.wire import Request, Response
from ringlet._archive.storage.settings import Setting
from ringlet._net.addresses import AddressPolicy
from ringlet._net.listen import bind
from ringlet._oauth.grant import App
from ringlet._receiver.receiver import Receiver
from ringlet._receiver.server import serving
from ringlet._sync.subscriber import (
    RENEW_BEFORE,
    Pair,
    Subscriber,
    SubscriptionReport,
    SubscriptionStep,
    steps,
    wanted,
)
from ringlet.archive import Archive
from ringlet.cloud import Clock, Cloud
from ringlet.errors import InvalidToken
from ringlet.webhooks import EVENT_TYPES, Subscription

from .conftest import NOW, AsgiTransport

VERIFICATION_TOKEN = "verification token"
OURS, THEIRS = "https://ours.example/hook?key=1", "https://theirs.example/hook"
NAMES = ["sleep", "vO2_max", "heartrate"]
PAIRS = wanted(NAMES)


# --- The steps that are planned ---


def test_every_event_of_every_type_with_webhooks_is_subscribed_to() -> None:
    assert [(name, one) for name in ("sleep", "vo2_max") for one in EVENT_TYPES] == PAIRS
    assert len(wanted(TYPES)) == 3 * sum(kind.webhook != "" for kind in TYPES.values())


def subscription(pair: Pair, url: str, days: float, id: str) -> Subscription:
    ends = (NOW + timedelta(days=days)).replace(tzinfo=None).isoformat()
    return Subscription(id=id, callback_url=url, data_type=pair[0], event_type=pair[1], expiration_time=ends)


@st.composite
def subscription_lists(draw: st.DrawFn) -> tuple[list[Subscription], set[str]]:
    """Subscriptions of an application, and the ids of those that this archive has recorded as its own."""
    pairs = draw(st.sets(st.sampled_from([*PAIRS, ("workout", "create"), ("meal", "update")])))
    listed = [
        subscription(pair, draw(st.sampled_from([OURS, THEIRS])), draw(st.floats(0, 90)), str(number))
        for number, pair in enumerate(sorted(pairs))
    ]
    return listed, {one.id for one in listed if draw(st.booleans())}


def plan(listed: list[Subscription], made: set[str], take_over: bool) -> dict[Pair, SubscriptionStep]:
    todo = steps(listed, PAIRS, callback_url=OURS, made=made, take_over=take_over, now=NOW)
    return {step.pair: step for step in todo}


@given(subscription_lists(), st.booleans())
def test_subscriptions_of_other_callbacks_are_changed_only_on_take_over(
    setup: tuple[list[Subscription], set[str]], take_over: bool
) -> None:
    listed, made = setup
    todo = plan(listed, made, take_over)
    assert set(PAIRS) <= set(todo)
    for one in listed:
        pair = (one.data_type, one.event_type)
        ours = one.id in made or one.callback_url == OURS
        step = todo.get(pair)  # type: ignore[call-overload]
        if pair not in PAIRS:
            assert (step is not None and step.action == "end") == (one.id in made)
        elif one.callback_url == OURS:
            ends_soon = one.expires_at - NOW < RENEW_BEFORE
            assert step.action == ("renew" if ends_soon else "keep")
        else:
            assert step.action == ("move" if ours or take_over else "leave")
    there = {(one.data_type, one.event_type) for one in listed}
    assert {pair for pair, step in todo.items() if step.action == "make"} == set(PAIRS) - there


@given(subscription_lists())
def test_a_type_counts_as_subscribed_only_with_every_event_type(
    setup: tuple[list[Subscription], set[str]],
) -> None:
    report = SubscriptionReport(list(plan(*setup, take_over=False).values()))
    for name in ("sleep", "vO2_max"):
        left = {one for one in report.pairs("leave") if one in wanted([name])}
        assert (name in report.names) == (not left)


@pytest.mark.parametrize("end", ["nonsense", None])
def test_a_subscription_with_an_unreadable_expiration_is_renewed_and_delays_no_other(end: str | None) -> None:
    odd = Subscription(
        id="1", callback_url=OURS, data_type=PAIRS[0][0], event_type=PAIRS[0][1], expiration_time=end
    )
    todo = plan([odd, subscription(PAIRS[1], OURS, 80, "2")], set(), take_over=False)
    assert [todo[pair].action for pair in PAIRS] == ["renew", "keep", *["make"] * 4]


# --- The steps that are taken ---


class DatingTransport(AsgiTransport):
    """Adds the `Date` header that a server adds, by the cloud's clock."""

    async def send(self, request: Request) -> Response:
        response = await super().send(request)
        date = format_datetime(self.app.clock.now(), usegmt=True)
        return Response(response.status, response.body, {**response.headers, "date": date})


class MalformingTransport(DatingTransport):
    """Gives the first subscription of a list an id that no path can contain, and an unreadable expiration."""

    async def send(self, request: Request) -> Response:
        response = await super().send(request)
        listed = json.loads(response.body)
        if request.method != "GET" or not listed:
            return response
        listed[0] |= {"id": "a:b", "expiration_time": "nonsense"}
        return Response(response.status, json.dumps(listed).encode(), response.headers)


@dataclass
class SubscriberSetup:
    """A cloud, an application, and the archive of a program that subscribes for it."""

    cloud: Cloud
    clock: Clock
    app: App
    archive: Archive
    folder: Path

    def run(self, work: Callable[[SubscriberSetup, str], Coroutine[Any, Any, Any]]) -> Any:
        """Run `work` with the URL of a receiver that listens until it ends."""

        async def main() -> Any:
            receiver = Receiver(self.app.client_secret, VERIFICATION_TOKEN, inbox=self.folder / "inbox.db")
            with bind("127.0.0.1", 0) as listener:
                url = f"http://127.0.0.1:{listener.getsockname()[1]}/hook?key=1"
                async with serving(receiver, listener):
                    try:
                        return await work(self, url)
                    finally:
                        await self.cloud.dialer.close()

        return asyncio.run(main())

    def subscriber(
        self, url: str, names: list[str] = NAMES, token: str = VERIFICATION_TOKEN, **more: Any
    ) -> Subscriber:
        client = AsyncClient("no token", transport=more.pop("transport", DatingTransport)(self.cloud))
        return Subscriber(client, more.pop("app", self.app), self.archive, url, token, names=names, **more)

    def listed(self) -> dict[Pair, tuple[str, str]]:
        """Id and callback URL of each subscription that the application has."""
        return {
            (one.data_type, one.event_type): (one.id, one.callback_url)
            for one in self.cloud.subscriptions.of(self.app.client_id)
        }


@pytest.fixture
def setup(tmp_path: Path) -> Iterator[SubscriberSetup]:
    with Archive.open(":memory:") as archive, Archive.open(tmp_path / "mine.db") as mine:
        clock = Clock(NOW)
        cloud = Cloud(archive, clock=clock, callbacks=AddressPolicy.parse("dev"))
        client_id, secret = cloud.grants.apps.register("Subscriber", [])
        app = App(client_id=client_id, client_secret=secret)
        yield SubscriberSetup(cloud, clock, app, mine, tmp_path)


def action_counts(report: SubscriptionReport) -> dict[str, int]:
    return {verb: len(report.pairs(verb)) for verb in {step.action for step in report.steps}}


def test_missing_subscriptions_are_created_once_and_renewed_a_week_before_they_expire(
    setup: SubscriberSetup,
) -> None:
    async def work(setup: SubscriberSetup, url: str) -> None:
        one = setup.subscriber(url)
        assert action_counts(first := await one.check()) == {"make": 6}
        assert first.names == {"sleep", "vO2_max"}
        assert action_counts(await setup.subscriber(url, token="another run's").check()) == {"keep": 6}
        setup.clock.advance(timedelta(days=84))
        assert action_counts(await one.check()) == {"renew": 6}, "the server's clock decides"
        assert action_counts(await one.check()) == {"keep": 6}
        setup.clock.advance(timedelta(days=91))
        assert action_counts(await one.check()) == {"make": 6}

    setup.run(work)


def test_unwanted_subscriptions_are_deleted_and_ours_move_to_a_new_callback_url(
    setup: SubscriberSetup,
) -> None:
    async def work(setup: SubscriberSetup, url: str) -> None:
        await setup.subscriber(url).check()
        assert action_counts(await setup.subscriber(url, ["sleep"]).check()) == {"keep": 3, "end": 3}
        assert set(setup.listed()) == set(wanted(["sleep"]))
        moved = url + "&moved=1"
        assert action_counts(await setup.subscriber(moved, ["sleep"]).check()) == {"move": 3}
        assert {where for _, where in setup.listed().values()} == {moved}

    setup.run(work)


def test_a_subscription_to_another_callback_is_left_until_it_is_taken_over(setup: SubscriberSetup) -> None:
    async def work(setup: SubscriberSetup, url: str) -> None:
        other = url + "&other=program"
        await setup.subscriber(other, ["sleep"]).check()
        # As if another archive had created them.
        setup.archive.set_setting(Setting.SUBSCRIPTION_IDS.of(setup.app.client_id), None)
        assert action_counts(left := await setup.subscriber(url).check()) == {"leave": 3, "make": 3}
        assert left.names == {"vO2_max"}
        assert action_counts(await setup.subscriber(url, take_over=True).check()) == {"move": 3, "keep": 3}
        assert {where for _, where in setup.listed().values()} == {url}

    setup.run(work)


def test_a_callback_that_fails_its_challenge_is_reported_and_does_not_stop_the_rest(
    setup: SubscriberSetup,
) -> None:
    async def work(setup: SubscriberSetup, url: str) -> None:
        await setup.subscriber(url, ["sleep"]).check()
        report = await setup.subscriber(url, token="not what the receiver knows").check()
        assert action_counts(report) == {"keep": 3}
        assert set(report.refused) == set(wanted(["vO2_max"]))
        assert all("key=1" not in reason for reason in report.refused.values())

    setup.run(work)


def test_a_malformed_subscription_id_is_reported_and_does_not_stop_the_rest(setup: SubscriberSetup) -> None:
    async def work(setup: SubscriberSetup, url: str) -> None:
        await setup.subscriber(url, ["sleep"]).check()
        report = await setup.subscriber(url, transport=MalformingTransport).check()
        assert action_counts(report) == {"keep": 2, "make": 3}
        assert ["cannot be the id of a subscription" in reason for reason in report.refused.values()] == [
            True
        ]

    setup.run(work)


def test_a_subscription_deleted_elsewhere_is_created_at_the_next_check(setup: SubscriberSetup) -> None:
    async def work(setup: SubscriberSetup, url: str) -> None:
        one = setup.subscriber(url)
        await one.check()
        deleted, _ = random.Random(1).choice(sorted(setup.listed().values()))
        setup.cloud.deliveries.unsubscribe(setup.app.client_id, deleted)
        assert action_counts(await one.check()) == {"keep": 5, "make": 1}

    setup.run(work)


def test_the_error_for_a_wrong_secret_names_the_variables_to_check(setup: SubscriberSetup) -> None:
    async def work(setup: SubscriberSetup, url: str) -> None:
        wrong = App(client_id=setup.app.client_id, client_secret="wrong")
        with pytest.raises(InvalidToken) as refused:
            await setup.subscriber(url, app=wrong).check()
        assert "OURA_CLIENT_SECRET" in refused.value.cure

    setup.run(work)


def test_an_end_without_a_zone_is_utc() -> None:
    ends = datetime(2026, 2, 1, tzinfo=UTC)
    assert subscription(("sleep", "create"), OURS, (ends - NOW).days, "1").expires_at.tzinfo is UTC
