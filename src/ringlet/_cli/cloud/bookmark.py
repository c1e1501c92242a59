"""Where `ringlet listen` is in a cloud's log of events, kept on disk; and the secret it signs with.

    <state>/listen/NAME.json   the log and the number of the last event that was handled
    <state>/listen/secret      what events are signed with that are forwarded without OURA_CLIENT_SECRET

Rules of this file:
* There is a place for each pair of a cloud and a receiver: they do not wait for each other.
* A place is kept by one process at a time. Another may read along, and keeps none.
* Both files are their owner's alone.
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
    """The number of the last event handled, and in which log: a new cloud at an old address has another."""

    log: str
    seq: int


class Bookmark:
    """The place of one listener. Raises RingletError for a file that is none, or a disk that refuses."""

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
        self._lock.give_back()

    @property
    def is_kept(self) -> bool:
        """Whether this process is the one that keeps it."""
        return self._lock.is_held

    def move(self, place: Place) -> None:
        """All up to here was handled; what a crash leaves is this place, or an earlier one."""
        if place != self.place:
            self.place = place
            if self.is_kept:
                disk.write(self._path, msgspec.json.encode(place))

    def _load(self) -> Place | None:
        content = disk.read(self._path)
        try:
            return msgspec.json.decode(content, type=Place) if content is not None else None
        except DECODE_ERRORS:
            raise RingletError(
                f"{self._path} is not a place in a log any more",
                cure=f"rm {self._path}; {command('listen', '--from-start')}",
            ) from None


def signing_secret() -> str:
    """What to sign with: the application's own secret, else one made here once. Raises RingletError."""
    given = os.environ.get("OURA_CLIENT_SECRET")
    if given:
        return given
    path = _folder() / "secret"
    return (disk.read(path) or _made_once(path)).decode()


def _made_once(path: Path) -> bytes:
    """A new secret, or the one that another process has just made: both must sign alike."""
    lock = disk.Lock(path.with_suffix(".lock"))
    while not lock.take():
        time.sleep(0.01)
    try:
        kept = disk.read(path)
        if not kept:
            kept = secrets.token_hex(32).encode()
            disk.write(path, kept)
        return kept
    finally:
        lock.give_back()


def _folder() -> Path:
    return platformdirs.user_state_path("ringlet") / "listen"
