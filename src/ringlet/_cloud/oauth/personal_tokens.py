"""Owns the table `personal_tokens`: access tokens that users create for their own scripts.

Oura no longer issues personal access tokens, but accepts those it has issued. They have every scope and do
not expire; users revoke them one by one.

Rules of this file:
* A token is returned once, when it is created; only its hash is stored.
"""

from __future__ import annotations

import contextlib
import secrets
from dataclasses import dataclass

from ..._archive.storage.migrations import Migrations
from ...errors import ArchiveError, UsageError
from ..core.access import AccessTables
from ..core.secret_hashes import hash_secret

PREFIX = "_2XRNGLT_"
MAX_NOTE_CHARACTERS = 200
USE_NOTED_EVERY_MS = 3_600_000

MIGRATIONS = Migrations(
    "personal tokens",
    """
CREATE TABLE IF NOT EXISTS personal_tokens (
    id            TEXT PRIMARY KEY,
    hash          BLOB NOT NULL UNIQUE,
    user_id       INTEGER NOT NULL,
    note          TEXT NOT NULL,
    created_at    INTEGER NOT NULL,
    used_at       INTEGER
)
""",
)


@dataclass(frozen=True, kw_only=True)
class PersonalToken:
    """What a user sees of a token. Instants are epoch milliseconds on the cloud's clock."""

    id: str
    note: str
    created_at: int
    used_at: int | None
    """When it was last used, with a precision of an hour; None if it was never used."""


class PersonalTokens(AccessTables):
    """All personal access tokens, in the archive's database."""

    MIGRATIONS = MIGRATIONS

    def create(self, user: int, note: str) -> str:
        """Create a token of a user and return it; only its hash is stored.

        Raises UsageError for a note that is too long or cannot be printed.
        """
        note = note.strip()
        if len(note) > MAX_NOTE_CHARACTERS or not note.isprintable():
            raise UsageError(
                f"a note has at most {MAX_NOTE_CHARACTERS} characters", cure="write a shorter note"
            )
        token = PREFIX + secrets.token_urlsafe(27)
        with self.archive.transaction():
            self.db.execute(
                "INSERT INTO personal_tokens (id, hash, user_id, note, created_at) VALUES (?, ?, ?, ?, ?)",
                (secrets.token_hex(8), hash_secret(token), user, note, self.clock.ms()),
            )
        return token

    def of(self, user: int) -> list[PersonalToken]:
        """The tokens of a user, oldest first."""
        rows = self.db.all(
            "SELECT id, note, created_at, used_at FROM personal_tokens WHERE user_id = ?"
            " ORDER BY created_at, id",
            (user,),
        )
        return [
            PersonalToken(id=id, note=note, created_at=made, used_at=used) for id, note, made, used in rows
        ]

    def revoke(self, user: int, id: str) -> bool:
        """Revoke a token of a user; False when the user has no token of that id."""
        if not id.isalnum():
            return False
        with self.archive.transaction():
            ended = self.db.execute("DELETE FROM personal_tokens WHERE user_id = ? AND id = ?", (user, id))
        self.access_changed.emit()
        return ended > 0

    def user(self, token: str) -> int | None:
        """The user a token belongs to; None when it is unknown or revoked. Also stores when it was used."""
        token_hash = hash_secret(token)
        row = self.db.one("SELECT user_id, used_at FROM personal_tokens WHERE hash = ?", (token_hash,))
        if row is None:
            return None
        now = self.clock.ms()
        if row[1] is None or row[1] <= now - USE_NOTED_EVERY_MS:
            # The time of use is stored at most once an hour, because every write makes the data routes drop
            # their cached answers. While another program writes to the archive, it is not stored at all, so
            # that the request does not fail.
            with contextlib.suppress(ArchiveError):
                self.db.execute("UPDATE personal_tokens SET used_at = ? WHERE hash = ?", (now, token_hash))
        user: int = row[0]
        return user
