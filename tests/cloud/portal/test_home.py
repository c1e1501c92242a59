"""The pages of the portal: who may see them, what they change, and that nobody else can make them do it."""

import re
from dataclasses import dataclass, field
from html.parser import HTMLParser
from urllib.parse import parse_qs, quote, urlencode, urlsplit

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from ringlet._cli.cloud.serve import check_host
from ringlet._cloud.browser.sessions import form_token
from ringlet._cloud.browser.visitor import is_own_path
from ringlet._cloud.core.throttle import FREE_FAILURES
from ringlet.archive import Archive
from ringlet.cloud import Clock, Cloud
from ringlet.errors import UsageError

from ..conftest import NOW, CloudClient
from ..scripted_browser import URI

SECRET = "a passphrase of this test"
APPLICATIONS = "/oauth/applications"
TOKENS = "/personal-access-tokens"
CONNECTIONS = "/connected-apps"


class Forms(HTMLParser):
    """The forms of a page: where each is sent, and what a browser would send of its inputs."""

    def __init__(self, page):
        super().__init__()
        self.found = {}
        self._inside = {}
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        it = dict(attributes)
        if tag == "form":
            self._inside = self.found.setdefault(it.get("action", ""), {})
        elif tag == "input" and it["type"] != "checkbox":
            self._inside[it["name"]] = it.get("value", "")


@dataclass
class Person:
    """Somebody with a cookie jar of their own."""

    asked: CloudClient
    jar: dict = field(default_factory=dict)

    def __call__(self, path, query="", **request):
        headers = {"cookie": "; ".join(f"{k}={v}" for k, v in self.jar.items())} if self.jar else {}
        answer = self.asked(path, query, headers=headers | request.pop("headers", {}), **request)
        if cookie := answer.headers.get("set-cookie"):
            name, _, value = cookie.partition(";")[0].partition("=")
            self.jar[name] = value.strip('"')
        return answer

    def open(self, address):
        where = urlsplit(address)
        return self(where.path, where.query)

    def send(self, page, action, **fields):
        """Fill in a form of a page, and send it."""
        form = Forms(self.open(page).text).found[action] | fields
        return self(action, method="POST", form=form)

    def sign_in(self, **fields):
        return self.send("/sign-in", "/sign-in", **fields)

    def register(self, name="Sleep Lab", uris=URI, **more):
        return self.send(f"{APPLICATIONS}/new", f"{APPLICATIONS}/new", name=name, redirect_uris=uris, **more)


@pytest.fixture
def guarded(runner):
    """A cloud with two wearers and a passphrase."""
    with Archive.open(":memory:") as archive:
        user = archive.user("wearer")
        archive.user("second")
        yield CloudClient(Cloud(archive, clock=Clock(NOW), secret=SECRET), runner, user)


@pytest.fixture
def person(live):
    """The wearer of a cloud without a passphrase, signed in."""
    somebody = Person(live)
    assert somebody.sign_in(user="wearer").status == 303
    return somebody


def client_id_of(answer):
    return re.search(r'id="client-id">([^<]+)<', answer.text)[1]


def shown_once(answer):
    return re.search(r"<output>([^<]+)</output>", answer.text)[1]


# --- Signing in ---


def test_the_passphrase_lets_in_and_then_one_says_who_one_is(guarded):
    person = Person(guarded)
    asks = person("/sign-in")
    assert "second" not in asks.text, "strangers learn no names"
    answer = person.sign_in(passphrase=SECRET)
    assert answer.status == 303
    choose = person.open(answer.headers["location"])
    assert "<option>second</option>" in choose.text
    assert person("/portal").headers["location"].startswith("/sign-in"), "let in is not signed in"
    assert person.sign_in(user="second").headers["location"] == "/portal"
    assert "second" in person("/portal").text


def test_a_wrong_passphrase_is_refused_beside_its_field(guarded):
    answer = Person(guarded).sign_in(passphrase="a guess", user="wearer")
    assert answer.status == 422
    assert 'aria-invalid="true"' in answer.text
    assert "The passphrase is wrong." in answer.text
    assert "a guess" not in answer.text


def test_who_guesses_has_to_wait_and_the_right_passphrase_does_not_show_through(guarded):
    person = Person(guarded)
    for _ in range(FREE_FAILURES):
        assert person.sign_in(passphrase="a guess").status == 422
    for attempt in ("another guess", SECRET):
        answer = person("/sign-in", method="POST", form={"token": _token(person), "passphrase": attempt})
        assert answer.status == 429
        assert int(answer.headers["retry-after"]) >= 1


def _token(person):
    return Forms(person("/sign-in").text).found["/sign-in"]["token"]


def test_every_sign_in_changes_the_cookie_and_signing_out_ends_it(live):
    person = Person(live)
    person("/sign-in")
    before = dict(person.jar)
    person.sign_in(user="wearer")
    signed_in = dict(person.jar)
    assert signed_in != before
    assert Person(live, before)("/portal").status == 303
    assert person.send("/portal", "/sign-out").status == 303
    assert Person(live, signed_in)("/portal").status == 303, "the cookie is worth nothing afterwards"


def test_the_cookie_goes_over_https_only_where_it_came_by_https(live):
    async def over_https():
        said = []

        async def send(message):
            said.append(message)

        scope = {"type": "http", "method": "GET", "path": "/sign-in", "query_string": b"", "scheme": "https"}
        await live.cloud({**scope, "headers": [(b"host", b"localhost")]}, None, send)
        return dict(said[0]["headers"])[b"set-cookie"].decode().lower()

    cookie = live.runner.run(over_https())
    assert "; secure" in cookie
    assert "httponly" in cookie
    assert "samesite=lax" in cookie


def test_signing_in_leads_back_to_where_one_wanted_to_go(guarded):
    client_id, _ = guarded.cloud.grants.apps.register("Lab", [URI])
    query = urlencode({"response_type": "code", "client_id": client_id, "state": "s t&ä", "scope": "daily"})
    person = Person(guarded)
    away = person("/oauth/authorize", query).headers["location"]
    person.send(away, "/sign-in", passphrase=SECRET)
    back = person.send(away, "/sign-in", user="wearer").headers["location"]
    assert back == f"/oauth/authorize?{query}"
    page = person.open(back)
    assert "Signed in as" in page.text
    form = Forms(page.text).found[""] | {"granted": "daily", "decision": "allow", "user": "second"}
    answer = person("/oauth/authorize", query, method="POST", form=form)
    assert parse_qs(urlsplit(answer.headers["location"]).query)["state"] == ["s t&ä"]
    assert guarded.cloud.grants.count_users(client_id, besides=guarded.user) == 0, "it is who signed in"


STANDS = ":/%#?=@[]!$&'()*+,;"
"""What a path may hold as it is (RFC 3986 section 2.2, and the `%` of what is quoted already)."""


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=30))
@example("/0\\")
@example("https://evil.example/")
@example("//evil.example/")
@example("/\\evil.example")
@example("/\t/evil.example")
@example("/\n//evil.example")
@example("\\\\evil.example")
@example("javascript:alert(1)")
@example("/portal\r\nSet-Cookie: a=b")
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_signing_in_leads_to_no_other_host(live, next):
    person = Person(live)
    there = person.sign_in(user="wearer", next=next).headers["location"]
    assert there.startswith("/")
    assert not there.startswith(("//", "/\\"))
    assert there == quote(next, safe=STANDS) or not is_own_path(next)


def test_pages_of_a_wearer_send_strangers_to_sign_in(live):
    for path in ("/portal", APPLICATIONS, TOKENS, CONNECTIONS):
        assert live(path).headers["location"] == f"/sign-in?{urlencode({'next': path})}"
    assert live("/").headers["location"] == "/portal"


# --- Applications ---


def test_an_application_is_registered_and_its_secret_is_shown_once(live, person):
    made = person.register(uris=f"{URI}\r\nhttps://lab.example/callback\r\n")
    client_id, secret = client_id_of(made), shown_once(made)
    assert live.cloud.grants.apps.authenticate(client_id, secret).redirect_uris == (
        URI,
        "https://lab.example/callback",
    )
    again = person(f"{APPLICATIONS}/{client_id}")
    assert secret not in again.text
    assert "0 of at most 10 users" in again.text


def test_a_public_application_has_no_secret(live, person):
    made = person.register(public="yes")
    assert "<output>" not in made.text
    assert not live.cloud.grants.apps.get(client_id_of(made)).confidential
    answer = person(f"{APPLICATIONS}/{client_id_of(made)}/secret", method="POST", form={"token": "x"})
    assert answer.status == 400


@pytest.mark.parametrize(
    ("name", "uris", "field", "words"),
    [
        ("", URI, "name", "1 to 100 characters"),
        ("x" * 101, URI, "name", "1 to 100 characters"),
        ("Lab", "", "redirect_uris", "at least one"),
        ("Lab", "http://lab.example/callback", "redirect_uris", "unencrypted"),
        ("Lab", f"{URI}\nhttps://lab.example/#x", "redirect_uris", "has a fragment"),
        ("Lab", "javascript:alert(1)", "redirect_uris", "has a scheme"),
    ],
)
def test_what_will_not_do_is_said_beside_the_field_and_stays_typed(live, person, name, uris, field, words):
    answer = person.register(name, uris)
    assert answer.status == 422
    assert f'id="{field}-error"' in answer.text
    assert words in answer.text
    assert f'value="{name}"' in answer.text
    assert uris in answer.text
    assert live.cloud.grants.apps.of(live.user) == []


def test_an_application_can_be_changed_and_given_another_secret(live, person):
    made = person.register()
    client_id, secret = client_id_of(made), shown_once(made)
    page = f"{APPLICATIONS}/{client_id}"
    assert person.send(page, page, name="Lab <b>2</b>", redirect_uris="https://lab.example/").status == 303
    assert "Lab &lt;b&gt;2&lt;/b&gt;" in person(page).text
    assert live.cloud.grants.apps.get(client_id).redirect_uris == ("https://lab.example/",)
    assert person.send(page, page, name="Lab", redirect_uris="ftp://x").status == 422
    fresh = shown_once(person.send(page, f"{page}/secret"))
    assert fresh != secret
    assert live.cloud.grants.apps.authenticate(client_id, fresh)


def test_deleting_an_application_ends_what_it_was_granted_at_once(live, person):
    client_id = client_id_of(person.register())
    token = live.cloud.grants.issue(client_id, live.user, ["daily"]).access_token
    assert live("sleep", token=token).status == 200
    page = f"{APPLICATIONS}/{client_id}/delete"
    assert "One user is" in person(page).text
    assert person.send(page, page).status == 303
    assert live("sleep", token=token).status == 401
    assert person(f"{APPLICATIONS}/{client_id}").status == 404


def test_nobody_sees_or_changes_the_application_of_another(guarded):
    first, second = Person(guarded), Person(guarded)
    for person, name in ((first, "wearer"), (second, "second")):
        person.sign_in(passphrase=SECRET)
        person.sign_in(user=name)
    client_id = client_id_of(first.register())
    page = f"{APPLICATIONS}/{client_id}"
    assert client_id not in second(APPLICATIONS).text
    assert second(page).status == 404
    assert second(f"{page}/delete").status == 404
    for action in (page, f"{page}/secret", f"{page}/delete"):
        form = {"token": _token_for(second, action), "name": "Mine", "redirect_uris": URI}
        assert second(action, method="POST", form=form).status == 404
    assert guarded.cloud.grants.apps.get(client_id).name == "Sleep Lab"


def _token_for(person, action):
    """The right token of a form that the page would not show this person."""
    return form_token(person.jar["ringlet_session"], action)


# --- Personal access tokens and connected apps ---


def test_a_personal_token_reads_data_until_it_is_revoked(live, person):
    made = person.send(TOKENS, TOKENS, note="Backup")
    token = shown_once(made)
    assert made.headers["cache-control"] == "no-store"
    assert live("sleep", token=token).status == 200
    listed = person(TOKENS)
    assert "Backup" in listed.text
    assert token not in listed.text
    revoke = next(action for action in Forms(listed.text).found if action.endswith("/revoke"))
    assert person.send(TOKENS, revoke).status == 303
    assert live("sleep", token=token).status == 401
    assert person(revoke, method="POST", form={"token": _token_for(person, revoke)}).status == 404


def test_a_note_that_is_too_long_stays_in_its_field(person):
    answer = person.send(TOKENS, TOKENS, note="x" * 201)
    assert answer.status == 422
    assert 'id="note-error"' in answer.text
    assert "x" * 201 in answer.text


def test_a_connected_app_is_disconnected_at_once(live, person):
    client_id, _ = live.cloud.grants.apps.register("Sleep Lab", [URI])
    token = live.cloud.grants.issue(client_id, live.user, ["daily", "tag"]).access_token
    assert live("sleep", token=token).status == 200
    page = person(CONNECTIONS).text
    assert "Sleep Lab" in page
    assert "daily, tag" in page
    action = f"{CONNECTIONS}/{client_id}/disconnect"
    assert person.send(CONNECTIONS, action).status == 303
    assert live("sleep", token=token).status == 401
    assert "Sleep Lab" not in person(CONNECTIONS).text


@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
def test_an_address_with_a_nul_is_nowhere(request, runner, database):
    """PostgreSQL takes none in a text."""
    place = ":memory:" if database == "sqlite" else request.getfixturevalue("postgres")
    with Archive.open(place) as archive:
        person = Person(CloudClient(Cloud(archive, clock=Clock(NOW)), runner, archive.user("wearer")))
        person.sign_in(user="wearer")
        for path in posts(person.asked.cloud):
            at = path.replace("/x", "/x\0")
            if at != path:
                assert person(at, method="POST", form={"token": _token_for(person, at)}).status == 404, at


# --- Rows of the security table ---


def posts(cloud):
    """Every page that takes a form, with its parameters filled in."""
    return sorted(
        {
            re.sub(r"{\w+}", "x", route.path)
            for route in cloud._starlette.routes
            if "POST" in route.methods
            and not re.search(r"^/(_ringlet|v\d)/|/(oauth-)?(token|revoke|introspect|authorize)$", route.path)
        }
    )


def test_row_12_no_form_counts_without_the_token_of_its_own_page(live, person):
    """Forged, missing, of another page, of another session, without a cookie. Consent: test_authorize."""
    other = Person(live)
    other.sign_in(user="wearer")
    paths = posts(live.cloud)
    assert len(paths) == 10, paths
    for path in paths:
        right = _token_for(person, path)
        for forged in ("", "x", "é", right[:-1], _token_for(person, "/elsewhere"), _token_for(other, path)):
            answer = person(path, method="POST", form={"token": forged})
            assert "This page has expired" in answer.text, (path, forged)
        assert "Repeated field" in person(path, method="POST", form=[("token", right)] * 2).text
        stranger = live(path, method="POST", form={"token": right})
        assert stranger.status == 303 or "This page has expired" in stranger.text, path
        assert "/sign-in" in stranger.headers.get("location", "/sign-in")
    assert Person(live, person.jar)("/portal").status == 200, "nothing of it signed anybody out"


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "https://evil.example"},
        {"origin": "http://localhost:1"},
        {"origin": "http://localhost.evil.example"},
        {"origin": "http://localhost@evil.example"},
        {"origin": "http://["},
        {"origin": ""},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
    ],
    ids=str,
)
def test_row_12_no_form_counts_that_a_browser_says_another_site_sent(live, person, headers):
    for path in posts(live.cloud):
        form = {"token": _token_for(person, path)}
        answer = person(path, method="POST", form=form, headers={**headers, "host": "localhost"})
        assert "Sent from another site" in answer.text, path


def test_a_form_that_breaks_off_leaves_no_traceback(live):
    """Otherwise anybody could fill the log."""

    async def broken_off():
        pieces = iter([{"type": "http.request", "body": b"tok", "more_body": True}])
        said = []

        async def receive():
            return next(pieces, {"type": "http.disconnect"})

        async def send(message):
            said.append(message)

        scope = {"type": "http", "method": "POST", "path": "/sign-in", "query_string": b"", "scheme": "http"}
        await live.cloud({**scope, "headers": [(b"host", b"localhost")]}, receive, send)
        return said[0]["status"]

    assert live.runner.run(broken_off()) == 400


def test_row_12_a_form_without_an_origin_counts_by_its_token(person):
    """Older browsers and scripts send none; the token is what counts then."""
    assert person.send(TOKENS, TOKENS, note="no origin").status == 200


def test_row_13_every_page_forbids_frames_scripts_strangers_and_storing(live, person):
    """All routes there are, as somebody signed in and as a stranger; whatever is HTML must say so."""
    client_id = client_id_of(person.register())
    pages = set()
    for route in live.cloud._starlette.routes:
        path = route.path.replace("{client_id}", client_id).replace("{id}", "x").replace("{address}", "x")
        for method in sorted(route.methods & {"GET", "POST"}):
            for somebody in (person, Person(live)):
                answer = somebody(path.replace("{rest:path}", "x"), method=method)
                if not answer.headers.get("content-type", "").startswith("text/html"):
                    continue
                pages.add((path, method))
                policy = answer.headers["content-security-policy"]
                for rule in ("default-src 'none'", "frame-ancestors 'none'", "base-uri 'none'"):
                    assert rule in policy, path
                assert "unsafe" not in policy
                assert "script-src" not in policy
                assert "form-action 'self'" in policy
                assert answer.headers["x-frame-options"] == "DENY"
                assert answer.headers["referrer-policy"] == "no-referrer"
                assert answer.headers["x-content-type-options"] == "nosniff"
                assert answer.headers["cache-control"] == "no-store"
                assert not re.search(r"<script|<style| style=| on\w+=", answer.text), path
    assert len(pages) >= 15, pages


def test_what_pages_load_is_ours_and_named_by_its_content(live):
    page = live("/sign-in").text
    for kind in ("css", "svg"):
        address = re.search(rf'href="(/portal/[a-z]+-[0-9a-f]{{12}}\.{kind})"', page)[1]
        answer = live(address)
        assert answer.status == 200
        assert "immutable" in answer.headers["cache-control"]
    assert live("/portal/portal-000000000000.css").status == 404


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "example.org"])
@pytest.mark.parametrize(
    ("admin_token", "secret"),
    [(None, None), ("x" * 16, None), (None, "x" * 16), ("x" * 16, "x" * 15), ("x" * 15, "x" * 16)],
)
def test_row_20_the_network_is_let_in_only_with_a_passphrase_and_an_admin_token(host, admin_token, secret):
    with pytest.raises(UsageError, match="lets others reach health data") as refused:
        check_host(host, admin_token, secret)
    assert ("RINGLET_SECRET" in refused.value.cure.rpartition("still to do")[2]) == (len(secret or "") < 16)
    assert "x" * 15 not in str(refused.value) + refused.value.cure
    check_host(host, "x" * 16, "x" * 16)
    check_host("127.0.0.1", None, None)
