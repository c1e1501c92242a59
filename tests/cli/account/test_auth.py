"""`ringlet auth`: a kept sign-in is looked at, renewed and ended, with and without a network."""

import json
import time
import urllib.request
from datetime import datetime
from urllib.parse import urlencode

import pytest

from ringlet._cli.demo.headless_sign_in import sign_in

from ... import forked

KEEP = """
import json, sys
from ringlet.client import SignIn
from ringlet._oauth.grant import App, Tokens
import msgspec
app, tokens = json.loads(sys.stdin.read())
SignIn().save(App(**app), msgspec.convert(tokens, Tokens), "file")
"""


def keep(program, ready, **tokens):
    """A sign-in as `login` leaves it."""
    app = {name: ready[name] for name in ("client_id", "client_secret")}
    said = json.dumps([app, tokens])
    forked.run(["-c", KEEP], input=said, env=program.env(), check=True)


@pytest.fixture
def grant(ready):
    tokens = sign_in(ready)
    names = ("access_token", "refresh_token", "expires_in", "scope", "token_url", "client_id")
    return {name: getattr(tokens, name) for name in names}


@pytest.fixture
def signed_in(ringlet, ready, grant):
    keep(ringlet, ready, **grant)
    ringlet.variables["OURA_API_BASE_URL"] = ready["api"]
    return ringlet


def test_status_says_who_and_what_and_for_how_long(signed_in, ready):
    assert signed_in("auth", "refresh").returncode == 0
    done = signed_in("auth", "status")
    assert done.returncode == 0, done.stderr
    for line in ("who          demo@example.com", "token        expires in 29 d", "last worked just now"):
        assert line in done.stdout
    said = json.loads(signed_in("auth", "status", "--json").stdout)
    assert said["user"] == {"id": ready["user_id"], "email": "demo@example.com"}
    assert (said["v"], said["profile"], said["store"], said["not_granted"]) == (1, "default", "file", [])
    assert said["renewable"]


@pytest.mark.parametrize(("token_url", "why"), [("", "no answer from"), (None, "another cloud")])
def test_status_works_without_a_network(signed_in, ready, grant, token_url, why):
    nowhere = "http://127.0.0.1:9"
    keep(signed_in, ready, **grant | ({} if token_url is None else {"token_url": token_url}))
    done = signed_in("auth", "status", OURA_API_BASE_URL=nowhere)
    assert done.returncode == 0
    assert done.stderr == ""
    assert "who          unknown (" in done.stdout
    said = json.loads(signed_in("auth", "status", "--json", OURA_API_BASE_URL=nowhere).stdout)
    assert said["user"] is None
    assert why in said["unknown"]


@pytest.mark.parametrize("renewable", [True, False])
def test_status_of_a_sign_in_that_was_ended_says_what_is_known_and_then_so(
    signed_in, ready, grant, renewable
):
    """Its application ends it at the server: here nobody heard of that."""
    asked = urllib.request.Request(
        f"{ready['api']}/oauth/revoke", data=urlencode({"token": grant["refresh_token"]}).encode()
    )
    urllib.request.urlopen(asked, timeout=30).close()
    if not renewable:
        keep(signed_in, ready, **grant | {"refresh_token": None})
    done = signed_in("auth", "status", "--profile", "default")
    assert done.returncode == 4
    assert "who          unknown (" in done.stdout
    assert "granted      email personal" in done.stdout
    assert "renewal      refused by the server" in done.stdout
    assert done.stderr.startswith("error: invalid_grant: " if renewable else "error: 401: ")
    assert done.stderr.endswith("next: ringlet login --profile default\n")
    machine = signed_in("auth", "status", "--json")
    assert machine.returncode == 4
    said = json.loads(machine.stdout)
    assert said["user"] is None
    assert said["unknown"] in machine.stderr


def test_status_of_a_renewal_that_was_tried_in_vain_says_so_too(signed_in, ready, grant):
    keep(signed_in, ready, **grant | {"access_token": "dead", "unanswered": 2})
    done = signed_in("auth", "status")
    assert done.returncode == 4
    assert "renewal      in doubt" in done.stdout
    assert "error: the refresh token was sent twice" in done.stderr


def test_a_secret_that_is_refused_is_not_asked_for_by_another_login(signed_in, ready, refused):
    wrong = {"OURA_CLIENT_ID": ready["client_id"], "OURA_CLIENT_SECRET": "wrong"}
    refused(
        signed_in("auth", "refresh", **wrong), 4, "invalid_client", "unset OURA_CLIENT_ID OURA_CLIENT_SECRET"
    )


def test_status_says_that_a_variable_comes_first(signed_in):
    assert "comes before this sign-in" in signed_in("auth", "status", OURA_ACCESS_TOKEN="other").stderr


def test_a_renewal_gives_another_token_that_works(signed_in):
    before = signed_in("auth", "token").stdout
    assert signed_in("auth", "refresh").stdout.startswith("renewed")
    after = signed_in("auth", "token").stdout
    assert after != before
    assert signed_in("api", "personal_info").returncode == 0


def test_a_sign_in_that_was_used_elsewhere_is_told_from_one_that_is_gone(signed_in, ready, grant, refused):
    assert signed_in("auth", "refresh").returncode == 0
    keep(signed_in, ready, **grant)
    refused(signed_in("auth", "refresh"), 4, "used elsewhere", "ringlet login")
    refused(signed_in("auth", "refresh"), 4, "no refresh token", "ringlet login")


def test_another_application_in_the_environment_does_not_cost_the_sign_in(signed_in, refused):
    refused(signed_in("auth", "refresh", OURA_CLIENT_ID="another"), 4, "another app", "OURA_CLIENT_ID")
    assert signed_in("auth", "refresh").returncode == 0


def test_the_token_stands_alone_on_stdout(signed_in, grant):
    done = signed_in("auth", "token")
    assert (done.stdout, done.stderr) == (grant["access_token"] + "\n", "")


def test_the_token_in_json_says_when_it_ends(signed_in, ready, grant):
    keep(signed_in, ready, **grant, obtained_at=time.time())
    said = json.loads(signed_in("auth", "token", "--json").stdout)
    assert list(said) == ["v", "access_token", "expires_at"]
    assert (said["v"], said["access_token"]) == (1, grant["access_token"])
    left = datetime.fromisoformat(said["expires_at"]).timestamp() - time.time()
    assert grant["expires_in"] - 60 < left <= grant["expires_in"]


def test_a_token_that_has_expired_is_renewed_before_it_is_printed(signed_in, ready, grant):
    keep(signed_in, ready, **grant, obtained_at=time.time() - grant["expires_in"])
    done = signed_in("auth", "token")
    assert done.stderr == ""
    assert done.stdout.strip() not in ("", grant["access_token"])
    asked = signed_in("api", "personal_info", OURA_ACCESS_TOKEN=done.stdout.strip())
    assert asked.returncode == 0, asked.stderr
    assert signed_in("auth", "token").stdout == done.stdout, "renewed once"


def test_a_token_that_has_expired_for_good_is_not_printed(signed_in, ready, grant, refused):
    keep(signed_in, ready, **grant | {"refresh_token": None, "obtained_at": 1.0})
    refused(signed_in("auth", "token"), 4, "cannot be renewed", "ringlet login")


def test_logout_ends_the_grant_at_the_server_and_here(signed_in, ready, grant, refused):
    done = signed_in("auth", "logout", "--json")
    assert json.loads(done.stdout) == {"v": 1, "profile": "default", "revoked": True, "purged": False}
    refused(signed_in("auth", "status"), 4, "nobody is signed in", "ringlet login")
    asked = signed_in("api", "personal_info", OURA_ACCESS_TOKEN=grant["access_token"])
    assert asked.returncode == 4
    keep(signed_in, ready, **grant)
    assert signed_in("auth", "refresh").returncode == 4


def test_logout_without_a_network_forgets_and_says_what_it_could_not_do(signed_in):
    done = signed_in("auth", "logout", OURA_API_BASE_URL="http://127.0.0.1:9")
    assert done.returncode == 0
    assert "not ended at the server" in done.stderr
    assert signed_in("auth", "token").returncode == 4


def test_purge_forgets_the_application_too(signed_in, ready):
    assert signed_in("auth", "logout").returncode == 0
    kept = "".join(path.read_text() for path in signed_in.home.rglob("*") if path.is_file())
    assert ready["client_secret"] in kept
    assert signed_in("auth", "logout", "--purge").returncode == 0
    kept = "".join(path.read_text() for path in signed_in.home.rglob("*") if path.is_file())
    assert ready["client_secret"] not in kept
    assert signed_in("auth", "list").stderr == "next: ringlet login\n"


def test_a_sync_renews_with_what_is_kept(signed_in, ready, grant):
    keep(signed_in, ready, **grant | {"access_token": "dead"})
    done = signed_in("sync", "--types", "daily_sleep", "--db", signed_in.home / "a.db")
    assert done.returncode == 0, done.stderr


def test_what_to_do_next_is_about_the_profile_that_failed(signed_in):
    for verb in (["sync", "--db", signed_in.home / "a.db"], ["api", "personal_info"], ["auth", "refresh"]):
        done = signed_in(*verb, "--profile", "mum")
        assert done.returncode == 4
        assert "next: ringlet login --profile mum" in done.stderr
        assert "next: ringlet login" in signed_in(*verb, RINGLET_PROFILE="mum").stderr
        assert "--profile" not in signed_in(*verb, RINGLET_PROFILE="mum").stderr


def test_a_dead_profile_is_not_cured_by_a_variable_that_comes_after_it(signed_in, ready, grant, refused):
    del grant["refresh_token"]
    keep(signed_in, ready, **grant | {"access_token": "dead"})
    done = signed_in("api", "personal_info", "--profile", "default", RINGLET_PROFILE="mum")
    refused(done, 4, "401", "next: ringlet login --profile default")
    assert "OURA_ACCESS_TOKEN" not in done.stderr
