"""Stores how far `ringlet listen` has read a cloud's event log, and the secret that signs forwarded events.

    <state>/listen/NAME.json   the id of the log, and the number of the last event that was handled
    <state>/listen/secret      the secret that signs events if OURA_CLIENT_SECRET is not set

Rules of this file:
* Each pair of a cloud and a receiver has its own bookmark, so that receivers do not wait for each other.
* One process at a time may write a bookmark. Other processes may listen at the same time without writing it.
* Only their owner can read these files.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import time
from pathlib import Path
from types import TracebackType
from typing import Self

import msgspec
import platformdirs

from ..._api.wire import DECODE_ERRORS
from ..._client import private_files as disk
from ...errors import RingletError
from ..shared.next_steps import command


class Place(msgspec.Struct, frozen=True):
    """A place in an event log: the id of the log, and the number of the last event that was handled.

    A new cloud at the address of an old cloud has another log id.
    """

    log: str
    seq: int


class Bookmark:
    """The bookmark of one listener. Raises RingletError if its file cannot be read or written."""

    def __init__(self, api: str, receiver: str = "") -> None:
        name = hashlib.sha256(f"{api} {receiver}".encode()).hexdigest()[:16]
        self._path = _folder() / f"{name}.json"
        self._lock = disk.Lock(self._path.with_suffix(".lock"))
        self.place: Place | None = None

    def __enter__(self) -> Self:
        self._lock.take()
        self.place = self._load()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._lock.release()

    @property
    def is_ours(self) -> bool:
        """Whether this process may write the bookmark. If not, another process writes it."""
        return self._lock.is_held

    def move(self, place: Place) -> None:
        """Store that all events up to `place` have been handled, if this process may write the bookmark.

        If the process is killed meanwhile, the file has either the old or the new place.
        """
        if place != self.place:
            self.place = place
            if self.is_ours:
                disk.write(self._path, msgspec.json.encode(place))

    def _load(self) -> Place | None:
        content = disk.read(self._path)
        try:
            return msgspec.json.decode(content, type=Place) if content is not None else None
        except DECODE_ERRORS:
            raise RingletError(
                f"{self._path} is damaged: it does not hold a place in a log",
                cure=f"rm {self._path}; {command('listen', '--from-start')}",
            ) from None


def signing_secret() -> str:
    """Return the secret that signs forwarded events: OURA_CLIENT_SECRET, or else a stored random secret.

    Raises RingletError if the stored secret cannot be read or written.
    """
    given = os.environ.get("OURA_CLIENT_SECRET")
    if given:
        return given
    path = _folder() / "secret"
    return (disk.read(path) or _stored_or_new_secret(path)).decode()


def _stored_or_new_secret(path: Path) -> bytes:
    """Create and store the secret, unless another process has just created it. Returns the stored secret."""
    lock = disk.Lock(path.with_suffix(".lock"))
    while not lock.take():
        time.sleep(0.01)
    try:
        secret = disk.read(path)
        if not secret:
            secret = secrets.token_hex(32).encode()
            disk.write(path, secret)
        return secret
    finally:
        lock.release()


def _folder() -> Path:
    return platformdirs.user_state_path("ringlet") / "listen"
