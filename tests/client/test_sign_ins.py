"""Profiles: who is signed in, with which application, and where the secrets of both are."""

import json
import os
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ringlet._client.sign_ins import SignIn, profiles
from ringlet._client.token_stores import KeyringTokenStore
from ringlet._oauth.grant import App, Tokens
from ringlet.client import Client, FileTokenStore
from ringlet.errors import RingletError

from .. import forked

APP = App(client_id="an app", client_secret="hush app", redirect_uri="http://localhost:8765/callback")
TOKENS = Tokens(access_token="hush access", refresh_token="hush refresh", token_url="https://id.test/token")
NEW_TOKENS = Tokens(access_token="hush new", refresh_token="hush newer")
STORE_NAMES = ["file", "keyring"]

pytestmark = pytest.mark.usefixtures("home")


@pytest.fixture(autouse=True)
def _keyring(use_keyring):
    use_keyring("keyrings.InAFile")


def files(home: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in (home / "ringlet").rglob("*") if path.is_file()}


@pytest.mark.parametrize("store", STORE_NAMES)
def test_a_sign_in_is_stored_with_its_application_and_found_by_its_name(store):
    SignIn("somebody").save(APP, TOKENS, store)
    kept = SignIn("somebody")
    assert kept.store == store
    assert kept.token_store.load() == TOKENS
    app = kept.app
    assert app
    assert (app.client_id, app.client_secret, app.redirect_uri) == (
        APP.client_id,
        APP.client_secret,
        APP.redirect_uri,
    )
    assert app.token_url == TOKENS.token_url, "which host serves it"
    assert not SignIn("another").exists


@pytest.mark.parametrize("store", STORE_NAMES)
def test_what_says_where_the_secrets_are_holds_none(store, home):
    SignIn().save(APP, TOKENS, store)
    assert "hush" not in (home / "ringlet/profiles/default.json").read_text()
    hushed = [name for name, text in files(home).items() if "hush" in text]
    assert sorted(hushed) == (["default.json", "default.secret"] if store == "file" else [])
    if os.name == "posix":
        modes = {stat.S_IMODE(p.stat().st_mode) for p in (home / "ringlet").rglob("*") if p.is_file()}
        assert modes == {0o600}


@pytest.mark.parametrize(("one", "other"), [STORE_NAMES, STORE_NAMES[::-1]])
def test_a_sign_in_that_moves_to_the_other_store_leaves_nothing_in_the_first(one, other, home):
    SignIn().save(APP, TOKENS, one)
    SignIn().save(APP, NEW_TOKENS, other)
    assert SignIn().token_store.load() == NEW_TOKENS
    left = files(home) if other == "keyring" else json.loads((home / "keyring.json").read_text())
    assert "hush" not in str(left)


@pytest.mark.parametrize("store", STORE_NAMES)
def test_forgetting_keeps_the_application_and_purging_does_not(store, home):
    kept = SignIn()
    kept.save(APP, TOKENS, store)
    kept.delete()
    assert SignIn().token_store.load() is None
    assert SignIn().app
    kept.delete(purge=True)
    assert SignIn().app is None
    entries = home / "keyring.json"
    assert "hush" not in str(files(home)) + (entries.read_text() if entries.exists() else "")
    assert profiles() == []


def test_profiles_stand_side_by_side():
    SignIn("b").save(APP, TOKENS, "file")
    SignIn("a").save(APP, NEW_TOKENS, "keyring")
    assert [kept.name for kept in profiles()] == ["a", "b"]
    assert [kept.token_store.load() for kept in profiles()] == [NEW_TOKENS, TOKENS]


def test_a_card_that_is_none_is_a_clear_error(home):
    (home / "ringlet/profiles").mkdir(parents=True)
    (home / "ringlet/profiles/default.json").write_text("{")
    with pytest.raises(RingletError, match="not a valid profile"):
        SignIn().app  # noqa: B018  # reading it is the test


def test_a_client_finds_the_profile_and_its_application_and_the_environment_wins(monkeypatch):
    SignIn().save(APP, TOKENS, "file")
    SignIn("other").save(App(client_id="other app"), NEW_TOKENS, "file")

    def found() -> tuple[str, str]:
        with Client() as client:
            tokens = client.token_store.load()
            assert tokens
            return tokens.access_token, client.app.client_id if client.app else ""

    assert found() == ("hush access", "an app")
    monkeypatch.setenv("RINGLET_PROFILE", "other")
    assert found() == ("hush new", "other app")
    monkeypatch.setenv("OURA_CLIENT_ID", "of the environment")
    assert found() == ("hush new", "of the environment")
    monkeypatch.delenv("RINGLET_PROFILE")
    monkeypatch.setenv("OURA_ACCESS_TOKEN", "token of the environment")
    assert found() == ("token of the environment", "of the environment")
    with Client(profile="other") as client:
        assert client.token_store.load() == NEW_TOKENS, "who names a profile means it"


# --- The keyring's token_store ---


def test_tokens_that_another_process_stores_in_the_keyring_are_loaded_without_delay(home):
    SignIn().save(APP, TOKENS, "keyring")
    token_store = SignIn().token_store
    assert isinstance(token_store, KeyringTokenStore)
    assert token_store.load() == TOKENS
    code = (
        "from ringlet.client import SignIn; from ringlet import Tokens; "
        "store = SignIn().token_store; assert store.claim(); store.save(Tokens(access_token='hush new'))"
    )
    backend = {"PYTHON_KEYRING_BACKEND": "keyrings.InAFile", "PYTHONPATH": sys.path[0]}
    subprocess.run([sys.executable, "-c", code], env=os.environ | backend, check=True)
    kept = token_store.load()
    assert kept
    assert kept.access_token == "hush new"


def test_the_owner_of_the_claim_reads_the_keyring_itself(home):
    """A process that was killed between keeping and saying so must not have its tokens overlooked."""
    SignIn().save(APP, TOKENS, "keyring")
    token_store = SignIn().token_store
    assert token_store.load() == TOKENS
    entries = json.loads((home / "keyring.json").read_text())
    entries["ringlet/default tokens"] = '{"access_token":"newer"}'
    (home / "keyring.json").write_text(json.dumps(entries))
    assert token_store.load() == TOKENS
    assert token_store.claim()
    kept = token_store.load()
    assert kept
    assert kept.access_token == "newer"
    token_store.release()


def test_a_claim_excludes_across_wallets_of_the_keyring_too():
    SignIn().save(APP, TOKENS, "keyring")
    mine, theirs = SignIn().token_store, SignIn().token_store
    assert mine.claim()
    assert not theirs.claim()
    mine.release()
    assert theirs.claim()
    theirs.release()


def test_a_new_sign_in_waits_until_a_renewal_of_the_old_one_has_ended(tmp_path):
    SignIn().save(APP, TOKENS, "file")
    token_store = SignIn().token_store
    assert isinstance(token_store, FileTokenStore)
    code = (
        "import sys; from ringlet.client import SignIn; from ringlet._oauth.grant import Tokens;"
        "token_store = SignIn().token_store; print(token_store.claim(), flush=True);"
        "sys.stdin.read(); token_store.save(Tokens(access_token='of the old one'))"
    )
    with forked.start(["-c", code], stdin=subprocess.PIPE) as renewing:
        assert renewing.stdout
        assert renewing.stdin
        assert renewing.stdout.readline() == "True\n"
        code = (
            "from ringlet.client import SignIn; from ringlet._oauth.grant import App, Tokens;"
            "print(flush=True); SignIn().save(App(client_id='a'), Tokens(access_token='new'), 'file')"
        )
        with forked.start(["-c", code]) as signing_in:
            assert signing_in.stdout
            signing_in.stdout.readline()
            time.sleep(0.1)
            assert signing_in.poll() is None
            renewing.stdin.close()
    kept = token_store.load()
    assert kept
    assert kept.access_token == "new"
