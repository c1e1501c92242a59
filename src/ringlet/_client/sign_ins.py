"""Sign-ins stored under a name (the option `--profile`), each with the application it was made with.

    <configuration>/profiles/NAME.json       what is not secret: the application's id, and the store in use
    <configuration>/tokens/NAME.json         the tokens, if the store is `file`
    <configuration>/tokens/NAME.secret       the application's secret, if the store is `file`
    keyring "NAME tokens", "NAME secret"     tokens and secret, if the store is `keyring`

The application is stored so that tokens can be renewed without environment variables.

Rules of this file:
* `profiles/NAME.json` says which store has the secrets, so only that store is read.
* A new sign-in is written before the old sign-in of the same name is removed from another store.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Literal

import msgspec
import platformdirs

from .._api.wire import DECODE_ERRORS
from .._oauth.grant import App, Tokens
from .._oauth.renewal import CLAIM_POLL_S
from ..errors import Action, Cure, RingletError
from . import private_files as disk
from .keyring_store import SystemKeyring
from .token_stores import FileTokenStore, KeyringTokenStore

Store = Literal["keyring", "file"]

DEFAULT = "default"


class _Profile(msgspec.Struct, frozen=True, kw_only=True):
    """The content of `profiles/NAME.json`; nothing in it is secret."""

    store: Store = "file"
    client_id: str = ""
    redirect_uri: str = ""
    token_url: str = ""


class SignIn:
    """A named sign-in in this user's configuration directory. Raises RingletError for an invalid name."""

    def __init__(self, name: str = DEFAULT) -> None:
        if not re.fullmatch(r"[\w.@-]{1,64}", name):
            raise RingletError(
                f"{name!r} cannot be a profile name", cure="use letters, digits and any of . _ @ -"
            )
        self.name = name
        self.vault: SystemKeyring = SystemKeyring()
        folder = platformdirs.user_config_path("ringlet")
        self._profile_path = folder / "profiles" / f"{name}.json"
        self._tokens_path = folder / "tokens" / f"{name}.json"
        self._secret_path = folder / "tokens" / f"{name}.secret"

    @property
    def store(self) -> Store:
        """Where the secrets of this sign-in are stored: `keyring` or `file`. Raises RingletError."""
        return self._profile().store

    @property
    def exists(self) -> bool:
        """Whether a sign-in or an application is stored under this name. Raises RingletError."""
        return disk.stamp(self._profile_path) is not None

    @property
    def is_meant_without_a_name(self) -> bool:
        """Whether clients use this sign-in when the caller gives no name."""
        return self.name == (os.environ.get("RINGLET_PROFILE") or DEFAULT)

    @property
    def cure(self) -> Cure:
        """The cure for a sign-in without tokens: sign in again, with this name if it is not the default."""
        named = {} if self.is_meant_without_a_name else {"profile": self.name}
        return Cure("sign in again", Action.SIGN_IN, **named)

    @property
    def app(self) -> App | None:
        """The application of this sign-in; None if no application is stored. Raises RingletError."""
        profile = self._profile()
        if not profile.client_id:
            return None
        return App(
            client_id=profile.client_id,
            client_secret=self._secret(profile.store),
            redirect_uri=profile.redirect_uri,
            token_url=profile.token_url,
        )

    @property
    def token_store(self) -> FileTokenStore | KeyringTokenStore:
        """The token store of this sign-in. Raises RingletError."""
        return self._token_store(self.store)

    def save(self, app: App, tokens: Tokens, store: Store) -> None:
        """Stores the application and the tokens, in place of an earlier sign-in. Raises RingletError."""
        before = self.store
        token_store = self._token_store(store)
        with _claimed(token_store):
            if store == "keyring":
                self.vault.put(self._entry("secret"), app.client_secret)
            else:
                disk.write(self._secret_path, app.client_secret.encode())
            token_store.save(tokens)
            profile = _Profile(
                store=store,
                client_id=app.client_id,
                redirect_uri=app.redirect_uri,
                token_url=tokens.token_url or app.token_url,
            )
            disk.write(self._profile_path, msgspec.json.encode(profile))
            if before != store:
                # The new sign-in is stored already, so an error while the old one is removed (e.g. a locked
                # keyring) is ignored.
                with suppress(RingletError):
                    self._remove(before)

    def delete(self, *, purge: bool = False) -> None:
        """Deletes the tokens and, with `purge`, the application, too. Raises RingletError."""
        store = self.store
        token_store = self._token_store(store)
        with _claimed(token_store):
            if purge:
                self._remove(store)
                disk.delete(self._profile_path)
            else:
                token_store.delete()

    def _profile(self) -> _Profile:
        content = disk.read(self._profile_path)
        try:
            return msgspec.json.decode(content, type=_Profile) if content is not None else _Profile()
        except DECODE_ERRORS:
            raise RingletError(
                f"{self._profile_path} is not a valid profile", cure="delete it and sign in again"
            ) from None

    def _secret(self, store: Store) -> str:
        if store == "keyring":
            return self.vault.get(self._entry("secret")) or ""
        return (disk.read(self._secret_path) or b"").decode()

    def _token_store(self, store: Store) -> FileTokenStore | KeyringTokenStore:
        if store == "keyring":
            changed = self._tokens_path.with_suffix(".keyring")
            return KeyringTokenStore(self.vault, self._entry("tokens"), changed)
        return FileTokenStore(self._tokens_path)

    def _remove(self, store: Store) -> None:
        self._token_store(store).delete()
        if store == "keyring":
            self.vault.remove(self._entry("secret"))
        else:
            disk.delete(self._secret_path)

    def _entry(self, what: str) -> str:
        return f"{self.name} {what}"


@contextmanager
def _claimed(token_store: FileTokenStore | KeyringTokenStore) -> Generator[None]:
    """Prevents a token renewal until the `with` block ends: the renewed tokens would overwrite the change."""
    while not token_store.claim():
        time.sleep(CLAIM_POLL_S)
    try:
        yield
    finally:
        token_store.release()


def profiles() -> list[SignIn]:
    """All stored sign-ins and applications, sorted by name."""
    folder = platformdirs.user_config_path("ringlet")
    names = [*_file_stems(folder / "profiles", "*.json"), *_file_stems(folder / "tokens", "*.json")]
    return [SignIn(name) for name in sorted(set(names))]


def _file_stems(folder: Path, pattern: str) -> list[str]:
    return [path.stem for path in folder.glob(pattern)]
