"""`ringlet login` where nobody can be asked: by a browser that knows what to do, or with a way out."""

import json
import socket
import sys
from pathlib import Path

import pytest

from ...paths import ROOT

BROWSER = f"{sys.executable} {Path(__file__).with_name('browser.py')} %s"


@pytest.fixture
def signing_in(ringlet, ready, redirect_port):
    """The program at a cloud, with a browser in front of which somebody sits."""
    return type(ringlet)(
        ringlet.home,
        {
            "OURA_API_BASE_URL": ready["api"],
            "BROWSER": BROWSER,
            "WEARER": ready["user_id"],
            "PYTHON_KEYRING_BACKEND": "keyring.backends.fail.Keyring",
        },
    )


@pytest.fixture
def app(ready):
    return {
        "OURA_CLIENT_ID": ready["client_id"],
        "OURA_CLIENT_SECRET": ready["client_secret"],
        "OURA_REDIRECT_URI": ready["redirect_uris"][0],
    }


def test_after_a_login_nothing_is_needed_but_the_program(signing_in, app, ready):
    done = signing_in("login", **app)
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""
    assert "this system has no keyring" in done.stderr
    assert f"redirect URI   {app['OURA_REDIRECT_URI']}\n" in done.stderr
    assert "signed in as demo@example.com" in done.stderr
    assert "renewal      tried, works" in done.stderr
    assert done.stderr.endswith("next: ringlet sync\n")
    assert app["OURA_CLIENT_SECRET"] not in done.stderr
    assert json.loads(signing_in("api", "personal_info").stdout)["id"] == ready["user_id"]
    # Neither for renewing, nor for signing in again.
    assert signing_in("auth", "refresh").returncode == 0
    assert signing_in("login").returncode == 0


def test_a_scope_that_is_refused_is_said_and_no_error(signing_in, app):
    done = signing_in("login", **app, UNTICK="spo2")
    assert done.returncode == 0, done.stderr
    assert "  not granted  spo2\n" in done.stderr


def test_only_what_is_named_is_asked_for(signing_in, app):
    signing_in("login", "--scopes", "daily,email", **app)
    assert json.loads(signing_in("auth", "status", "--json").stdout)["granted"] == ["daily", "email"]


def test_who_denies_is_told_how_to_start_again_and_keeps_an_earlier_sign_in(signing_in, app, refused):
    assert signing_in("login", **app).returncode == 0
    before = signing_in("auth", "token").stdout
    refused(signing_in("login", **app, DENY="yes"), 4, "access_denied", "ringlet login")
    assert signing_in("auth", "token").stdout == before


def test_the_secret_may_come_from_a_file(signing_in, app, tmp_path):
    (tmp_path / "secret").write_text(app.pop("OURA_CLIENT_SECRET") + "\n")
    done = signing_in("login", "--client-secret-file", tmp_path / "secret", **app)
    assert done.returncode == 0, done.stderr


def test_a_wrong_secret_ends_before_anything_is_kept(signing_in, app, refused):
    done = signing_in("login", **app | {"OURA_CLIENT_SECRET": "not this one"})
    refused(done, 4, "invalid_client", "ringlet login")
    assert signing_in("auth", "status").returncode == 4


def test_a_secret_that_went_stale_has_a_way_out_that_asks_for_another(signing_in, app, ready, refused):
    assert signing_in("login", "--profile", "mum", **app).returncode == 0
    secret = next(signing_in.home.rglob("mum.secret"))
    secret.write_text("stale")
    done = signing_in("login", "--profile", "mum")
    refused(
        done,
        4,
        "invalid_client",
        "next: ringlet auth logout --profile mum --purge; ringlet login --profile mum",
    )
    assert f"{ready['api']}/oauth/applications" in done.stderr
    done = signing_in("login", "--profile", "mum", **app | {"OURA_CLIENT_SECRET": "wrong"})
    refused(
        done,
        4,
        "invalid_client",
        "next: unset OURA_CLIENT_ID OURA_CLIENT_SECRET; ringlet login --profile mum",
    )


def test_an_empty_secret_file_is_not_an_application_without_a_secret(signing_in, app, tmp_path, refused):
    (tmp_path / "secret").write_text("\n")
    done = signing_in("login", "--client-secret-file", tmp_path / "secret", **app)
    refused(done, 2, "is empty", "write the secret into it")


@pytest.mark.parametrize("uri", ["banana", "http://localhost:banana/callback", "http://localhost:8766/#end"])
def test_what_cannot_be_a_redirect_uri_is_refused_before_it_is_registered(signing_in, app, refused, uri):
    done = signing_in("login", **app | {"OURA_REDIRECT_URI": uri})
    refused(
        done, 2, f"an absolute URL without a fragment, and {uri} is not", "http://localhost:8766/callback"
    )


@pytest.mark.parametrize("missing", ["OURA_CLIENT_ID", "OURA_CLIENT_SECRET"])
def test_where_nobody_can_be_asked_what_is_missing_is_named(signing_in, app, ready, refused, missing):
    del app[missing]
    done = signing_in("login", **app)
    refused(done, 2, f"{missing} not set", f"export {missing}=...")
    assert f"{app['OURA_REDIRECT_URI']} at {ready['api']}/oauth/applications" in done.stderr


def test_where_nobody_can_paste_only_a_local_redirect_uri_will_do(signing_in, app, refused):
    for more, option in (({"OURA_REDIRECT_URI": "https://example.com/callback"}, []), ({}, ["--implicit"])):
        done = signing_in("login", *option, **app | more)
        refused(done, 2, "you cannot be asked", "http://localhost:8766/callback")


def test_a_port_in_use_is_an_error_that_names_the_way_around(signing_in, app, refused):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        uri = f"http://localhost:{taken.getsockname()[1]}/callback"
        done = signing_in("login", **app | {"OURA_REDIRECT_URI": uri})
    refused(done, 1, "is in use", "ringlet login --redirect-uri http://localhost:8766/callback")


def test_a_keyring_that_is_wanted_and_missing_is_an_error(signing_in, app, refused):
    done = signing_in("login", "--store", "keyring", **app)
    refused(done, 1, "this system has no keyring", "ringlet login --store file")


def test_a_keyring_keeps_what_is_secret_and_the_store_is_remembered(signing_in, app, tmp_path):
    backends = ROOT / "tests/client/backends"
    signing_in.variables |= {
        "PYTHON_KEYRING_BACKEND": "keyrings.InAFile",
        "PYTHONPATH": str(backends),
        "KEYRING_FILE": str(tmp_path / "keyring.json"),
    }
    done = signing_in("login", **app)
    assert "stored in    the system's keyring" in done.stderr, done.stderr
    token = signing_in("auth", "token").stdout.strip()
    assert token in (tmp_path / "keyring.json").read_text()
    everything = [path.read_text() for path in (tmp_path / "config").rglob("*") if path.is_file()]
    assert everything
    assert not [text for text in everything if token in text or app["OURA_CLIENT_SECRET"] in text]
    assert signing_in("auth", "refresh").returncode == 0
    assert json.loads(signing_in("auth", "status", "--json").stdout)["store"] == "keyring"


def test_several_people_are_several_profiles(signing_in, app):
    done = signing_in("login", "--profile", "mum", **app)
    assert done.stderr.endswith("next: ringlet sync --profile mum\n")
    assert signing_in("auth", "status").returncode == 4
    assert signing_in("auth", "status", RINGLET_PROFILE="mum").returncode == 0
    assert signing_in("api", "personal_info", "--profile", "mum").returncode == 0
    listed = json.loads(signing_in("auth", "list", "--json").stdout)["profiles"]
    assert listed == [{"profile": "mum", "store": "file", "signed_in": True}]
