"""Applications: what they were registered as, how they prove it, and where their codes may go."""

from datetime import UTC, datetime

import pytest

from ringlet import webhooks
from ringlet._cloud.oauth.applications import Applications
from ringlet.archive import Archive
from ringlet.cloud import Clock
from ringlet.errors import OAuthError, UsageError

URI = "https://app.example/callback"
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture
def apps():
    with Archive.open(":memory:") as archive:
        yield Applications(archive, Clock(NOW))


def is_refused(apps, client_id, secret):
    with pytest.raises(OAuthError) as caught:
        apps.authenticate(client_id, secret)
    return (caught.value.error, caught.value.status) == ("invalid_client", 401)


def test_an_application_is_what_it_was_registered_as(apps):
    client_id, _ = apps.register(" Mine ", [URI, "http://localhost:1/", URI], owner=7)
    app = apps.get(client_id)
    assert (app.client_id, app.name, app.redirect_uris) == (client_id, "Mine", (URI, "http://localhost:1/"))
    assert (app.confidential, app.owner, app.approved) == (True, 7, False)
    assert app.created_at == NOW.timestamp() * 1000
    assert apps.get("nobody") is apps.get("\0") is None


def test_an_owner_sees_their_own(apps):
    ids = {owner: [apps.register("One", [URI], owner=owner)[0] for _ in range(2)] for owner in (1, 2, None)}
    assert {one.client_id for one in apps.of(1)} == set(ids[1])
    assert apps.of(3) == []


def test_a_secret_authenticates_only_its_application(apps):
    (one, secret), (other, _) = apps.register("One", [URI]), apps.register("Other", [URI])
    assert apps.authenticate(one, secret).name == "One"
    for id, guess in (
        (other, secret),
        (one, ""),
        (one, secret + "x"),
        (one, secret.swapcase()),
        ("none", secret),
        ("none", ""),
        ("none", "no such secret"),
    ):
        assert is_refused(apps, id, guess)


def test_a_public_application_has_no_secret_and_takes_none(apps):
    client_id, secret = apps.register("Public", [URI], public=True)
    assert secret == ""
    assert not apps.authenticate(client_id, "").confidential
    assert is_refused(apps, client_id, "guess")
    with pytest.raises(UsageError, match="is a public application"):
        apps.rotate_secret(client_id)


def test_a_new_secret_stops_the_old_one_at_once(apps):
    client_id, old = apps.register("One", [URI])
    new = apps.rotate_secret(client_id)
    assert is_refused(apps, client_id, old)
    assert apps.authenticate(client_id, new)


def test_an_application_can_be_changed_approved_and_deleted(apps):
    client_id, secret = apps.register("One", [URI])
    apps.change(client_id, name="Two", redirect_uris=["https://two.example/"])
    apps.approve(client_id)
    app = apps.get(client_id)
    assert (app.name, app.redirect_uris, app.approved) == ("Two", ("https://two.example/",), True)
    apps.delete(client_id)
    assert apps.get(client_id) is None
    assert is_refused(apps, client_id, secret)


def test_what_is_not_there_cannot_be_changed(apps):
    for change in (
        lambda: apps.change("nobody", name="One", redirect_uris=[]),
        lambda: apps.rotate_secret("nobody"),
        lambda: apps.approve("nobody"),
        lambda: apps.delete("nobody"),
    ):
        with pytest.raises(UsageError, match="unknown application"):
            change()


@pytest.mark.parametrize("name", ["", "  ", "x" * 101, "two\nlines", "zero\0"])
def test_a_name_is_short_and_on_one_line(apps, name):
    with pytest.raises(UsageError, match="name has 1 to 100 characters"):
        apps.register(name, [URI])


@pytest.mark.parametrize(
    "uri",
    [
        URI,
        "https://app.example:8443/cb?keep=1&x=%20",
        "https://xn--bcher-kva.example/",
        "http://localhost/callback",
        "http://localhost:8080/callback/",
        "http://127.0.0.1:1/",
        "http://127.8.8.8/",
        "http://[::1]:8080/callback",
        "com.example.app:/callback",
    ],
)
def test_codes_may_go_to_https_to_this_machine_and_to_native_applications(apps, uri):
    assert apps.get(apps.register("One", [uri])[0]).redirect_uris == (uri,)


@pytest.mark.parametrize(
    ("uri", "why"),
    [
        ("", "absolute"),
        ("/callback", "scheme"),
        ("app.example/callback", "scheme"),
        ("//app.example/callback", "scheme"),
        ("https:///callback", "invalid host"),
        ("https://*.example/callback", "invalid host"),
        ("https://app.example;x/callback", "invalid host"),
        ("https://app.example:port/", "host or port"),
        ("https://app.example:99999/", "host or port"),
        ("https://[::1/", "host or port"),
        ("https://app.example/callback#", "fragment"),
        ("https://app.example/callback#x", "fragment"),
        ("https://user@app.example/", "user name"),
        ("https://user:secret@app.example/", "user name"),
        ("http://app.example/callback", "unencrypted"),
        ("http://localhost.example/", "unencrypted"),
        ("http://127.0.0.1.example/", "unencrypted"),
        ("javascript:alert(1)", "scheme"),
        ("data:text/html,x", "scheme"),
        ("myapp:/callback", "scheme"),
        ("com.example.app://host/callback", "scheme"),
        ("https://app.example/a b", "absolute"),
        ("https://app.example/a\nhttps://evil.example/", "absolute"),
        ("https://app.example\\evil.example/", "absolute"),
        ("https://b\u00fccher.example/", "absolute"),
        ("https://app.example/" + "x" * 2000, "absolute"),
    ],
)
def test_nowhere_else(apps, uri, why):
    with pytest.raises(UsageError, match=why) as caught:
        apps.register("One", [URI, uri])
    assert caught.value.cure


def test_what_is_kept_of_a_secret_signs_as_the_secret_does_and_opens_nothing(apps):
    client_id, secret = apps.register("App", [URI])
    kept = apps.signing_key(client_id)
    assert webhooks.sign(kept, "1", b"body") == webhooks.sign(secret, "1", b"body")
    assert is_refused(apps, client_id, kept.hex())
    renewed = apps.rotate_secret(client_id)
    assert webhooks.sign(apps.signing_key(client_id), "1", b"") == webhooks.sign(renewed, "1", b"")
    assert apps.signing_key("none") is None
