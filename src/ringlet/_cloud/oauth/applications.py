"""The applications a cloud knows: who may ask wearers for their data, and how they prove who they are.

Rules of this file:
* A secret is told once, when it is made; only its digest is kept.
* A redirect URI is judged when it is registered, so that afterwards equality is all there is to check.
* An application that is deleted takes its grants with it: whoever looks at a grant looks at its application.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from ..._archive.storage.database import Row
from ..._archive.storage.migrations import Migrations
from ..._net.loopback import is_loopback
from ...errors import OAuthError, UsageError
from ..core.access import AccessTables
from ..core.secret_hashes import hash_secret, matches_hash

LONGEST_NAME = 100
LONGEST_URI = 2000

MIGRATIONS = Migrations(
    "applications",
    """
CREATE TABLE IF NOT EXISTS oauth_apps (
    client_id     TEXT PRIMARY KEY,
    secret_hash   BLOB,
    name          TEXT NOT NULL,
    redirect_uris TEXT NOT NULL,
    owner         INTEGER,
    approved_at   INTEGER,
    created_at    INTEGER NOT NULL
)
""",
)
REGISTERED_CLIENT_IDS: Final = "SELECT client_id FROM oauth_apps"
"""A subquery for statements of other files that must decide and write at once: goes inside `IN (...)`."""
COLUMNS = "client_id, secret_hash, name, redirect_uris, owner, approved_at, created_at"


@dataclass(frozen=True, kw_only=True)
class Application:
    """An application the cloud knows."""

    client_id: str
    name: str
    redirect_uris: tuple[str, ...]
    confidential: bool
    """Whether it has a secret, and so must prove it."""
    owner: int | None
    """The wearer who registered it; None for the cloud's own."""
    approved: bool
    """Whether it may have more wearers than an application on trial."""
    created_at: int
    """Epoch milliseconds on the cloud's clock."""


class Applications(AccessTables):
    """All applications, in the archive's database."""

    MIGRATIONS = MIGRATIONS

    def register(
        self, name: str, redirect_uris: Sequence[str], *, public: bool = False, owner: int | None = None
    ) -> tuple[str, str]:
        """A new application: its client_id and, unless `public`, its secret, which is stored as a digest.

        Raises UsageError for a name or a redirect URI that will not do.
        """
        uris = _checked(name, redirect_uris)
        client_id = secrets.token_urlsafe(16)
        secret = "" if public else _new_secret()
        with self.archive.transaction():
            self.db.execute(
                f"INSERT INTO oauth_apps ({COLUMNS}) VALUES (?, ?, ?, ?, ?, NULL, ?)",
                (
                    client_id,
                    hash_secret(secret) if secret else None,
                    name.strip(),
                    uris,
                    owner,
                    self.clock.ms(),
                ),
            )
        return client_id, secret

    def get(self, client_id: str) -> Application | None:
        """An application by its id."""
        row = self._row(client_id)
        return _application(row) if row else None

    def of(self, owner: int) -> list[Application]:
        """The applications a wearer registered, oldest first."""
        rows = self.db.all(
            f"SELECT {COLUMNS} FROM oauth_apps WHERE owner = ? ORDER BY created_at, client_id", (owner,)
        )
        return [_application(row) for row in rows]

    def authenticate(self, client_id: str, client_secret: str) -> Application:
        """The application, having proved itself. Raises OAuthError invalid_client."""
        row = self._row(client_id)
        stored: bytes | None = row[1] if row else _NOBODY
        # An unknown application costs what a wrong secret costs (RFC 6749 section 10.10).
        proved = matches_hash(client_secret, stored) if stored is not None else not client_secret
        if row is None or not proved:
            raise OAuthError("invalid_client", "Client authentication failed", status=401)
        return _application(row)

    def signing_key(self, client_id: str) -> bytes | None:
        """What signs an application's events as its secret would (`events.MIN_HASHED_SECRET_LENGTH`)."""
        row = self._row(client_id)
        return row[1] if row else None

    def change(self, client_id: str, *, name: str, redirect_uris: Sequence[str]) -> None:
        """Give it another name and other redirect URIs. Raises UsageError."""
        uris = _checked(name, redirect_uris)
        self._write("UPDATE oauth_apps SET name = ?, redirect_uris = ?", (name.strip(), uris), client_id)

    def rotate_secret(self, client_id: str) -> str:
        """Replaces the secret and returns the new one, which is stored as a digest. Raises UsageError."""
        secret = _new_secret()
        app = self.get(client_id)
        if app is not None and not app.confidential:
            raise UsageError(
                f"{app.name} is public: it has no secret", cure="register another that is not public"
            )
        self._write("UPDATE oauth_apps SET secret_hash = ?", (hash_secret(secret),), client_id)
        return secret

    def set_secret(self, client_id: str, secret: str) -> None:
        """Let it have this secret, if it has another. Raises UsageError."""
        kept = self.signing_key(client_id)
        if kept is None or not matches_hash(secret, kept):
            self._write("UPDATE oauth_apps SET secret_hash = ?", (hash_secret(secret),), client_id)

    def approve(self, client_id: str) -> None:
        """Let it have any number of wearers. Raises UsageError."""
        self._write("UPDATE oauth_apps SET approved_at = ?", (self.clock.ms(),), client_id)

    def delete(self, client_id: str) -> None:
        """Forget it, and with it every grant it holds. Raises UsageError."""
        self._write("DELETE FROM oauth_apps", (), client_id)
        self.access_changed.emit()

    def _row(self, client_id: str) -> Row | None:
        if "\0" in client_id:
            return None  # not every database takes it, and no id of ours holds it
        return self.db.one(f"SELECT {COLUMNS} FROM oauth_apps WHERE client_id = ?", (client_id,))

    def _write(self, change: str, values: tuple[object, ...], client_id: str) -> None:
        with self.archive.transaction():
            if not self.db.execute(f"{change} WHERE client_id = ?", (*values, client_id)):
                raise UsageError("there is no such application", cure="look at the list of applications")


def _new_secret() -> str:
    # So long that its digest signs webhooks as the secret itself does: `events.MIN_HASHED_SECRET_LENGTH`.
    return secrets.token_urlsafe(49)


_NOBODY = hash_secret("no such application")


def _application(row: Row) -> Application:
    client_id, secret_hash, name, uris, owner, approved_at, created_at = row
    return Application(
        client_id=client_id,
        name=name,
        redirect_uris=tuple(uris.split()),
        confidential=secret_hash is not None,
        owner=owner,
        approved=approved_at is not None,
        created_at=created_at,
    )


def _checked(name: str, redirect_uris: Sequence[str]) -> str:
    """The redirect URIs as they are stored, one a line; the name and each of them having been judged."""
    if not 0 < len(name.strip()) <= LONGEST_NAME or not name.isprintable():
        raise UsageError(
            f"an application has a name of 1 to {LONGEST_NAME} characters", cure="give it a short name"
        )
    for uri in redirect_uris:
        check_redirect_uri(uri)
    return "\n".join(dict.fromkeys(redirect_uris))


_URI = re.compile(r"[A-Za-z0-9\-._~:/?\[\]@!$&'()*+,;=%]+")
"""The characters of RFC 3986, without the `#` that begins a fragment."""
_HOST = re.compile(r"[A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\]")


def check_redirect_uri(uri: str) -> None:
    """See that codes may be sent there: RFC 6749 section 3.1.2, RFC 8252 section 7. Raises UsageError."""
    if "#" in uri:
        raise _unfit(uri, "has a fragment", "leave the # and what follows out")
    if not _URI.fullmatch(uri) or len(uri) > LONGEST_URI:
        raise _unfit(uri, "is not an absolute URI", "write it in full: https://app.example/callback")
    try:
        parts = urlsplit(uri)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        raise _unfit(uri, "has a host or port that cannot be", "correct the host and port") from None
    if "@" in parts.netloc:
        raise _unfit(uri, "carries a user name", "leave what stands before the @ out")
    if parts.scheme in ("http", "https"):
        if not _HOST.fullmatch(parts.netloc.removesuffix(f":{port}")):
            raise _unfit(uri, "names no host", "write it in full: https://app.example/callback")
        if parts.scheme == "http" and not is_loopback(host):
            raise _unfit(uri, "would carry codes in clear text", "use https, or http on localhost")
    elif "." not in parts.scheme or parts.netloc:
        # A private-use scheme is a domain name turned around (RFC 8252 section 7.1): never `javascript`.
        raise _unfit(
            uri, "has a scheme that no application owns", "use https, or one like com.example.app:/cb"
        )


def _unfit(uri: str, why: str, cure: str) -> UsageError:
    return UsageError(f"{uri[:200]} {why}", cure=cure)
