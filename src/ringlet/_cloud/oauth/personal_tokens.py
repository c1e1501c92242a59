"""Personal access tokens: made by a wearer for their own scripts, without an application.

Oura stopped making them and still answers those it made. They open every scope and do not expire; the
wearer can revoke them one by one.

Rules of this file:
* A token is told once, when it is made; only its digest is kept.
"""

from __future__ import annotations

import contextlib
import secrets
from dataclasses import dataclass

from ..._archive.storage.migrations import Migrations
from ...errors import ArchiveError, UsageError
from ..core.secret_hashes import digest
from ..core.tables import Tables

PREFIX = "_2XRNGLT_"
LONGEST_NOTE = 200
HOUR = 3_600_000

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
    """What a wearer sees of a token. Times are epoch milliseconds on the cloud's clock."""

    id: str
    note: str
    created_at: int
    used_at: int | None
    """When it was last used, to the hour; None for never."""


class PersonalTokens(Tables):
    """All personal access tokens, in the archive's database."""

    MIGRATIONS = MIGRATIONS

    def create(self, user: int, note: str) -> str:
        """A new token of a wearer, told only now. Raises UsageError for a note that will not do."""
        note = note.strip()
        if len(note) > LONGEST_NOTE or not note.isprintable():
            raise UsageError(f"a note has at most {LONGEST_NOTE} characters", cure="write a shorter note")
        token = PREFIX + secrets.token_urlsafe(27)
        with self.archive.transaction():
            self.db.execute(
                "INSERT INTO personal_tokens (id, hash, user_id, note, created_at) VALUES (?, ?, ?, ?, ?)",
                (secrets.token_hex(8), digest(token), user, note, self.clock.ms()),
            )
        return token

    def of(self, user: int) -> list[PersonalToken]:
        """The tokens of a wearer, oldest first."""
        rows = self.db.all(
            "SELECT id, note, created_at, used_at FROM personal_tokens WHERE user_id = ?"
            " ORDER BY created_at, id",
            (user,),
        )
        return [
            PersonalToken(id=id, note=note, created_at=made, used_at=used) for id, note, made, used in rows
        ]

    def revoke(self, user: int, id: str) -> bool:
        """End a wearer's token; False when they have no such token."""
        if not id.isalnum():
            return False
        with self.archive.transaction():
            return bool(
                self.db.execute("DELETE FROM personal_tokens WHERE user_id = ? AND id = ?", (user, id))
            )

    def user(self, token: str) -> int | None:
        """Whose token this is; None when it is unknown or revoked."""
        row = self.db.one("SELECT user_id, used_at FROM personal_tokens WHERE hash = ?", (digest(token),))
        if row is None:
            return None
        now = self.clock.ms()
        if row[1] is None or row[1] <= now - HOUR:
            # To the hour, because every write makes the data routes forget the answers they keep. And reading
            # goes on while another program holds the archive: this is a courtesy.
            with contextlib.suppress(ArchiveError):
                self.db.execute("UPDATE personal_tokens SET used_at = ? WHERE hash = ?", (now, digest(token)))
        user: int = row[0]
        return user
