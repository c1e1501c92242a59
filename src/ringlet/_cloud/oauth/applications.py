"""Owns the table `oauth_apps`: registered applications (OAuth clients, RFC 6749 section 2).

Rules of this file:
* A client secret is returned once, when it is created; only its hash is stored.
* A redirect URI is checked when it is registered, so the authorization endpoint only compares it.
* Deleting an application ends its grants, because a grant counts only while its application exists.
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

MAX_NAME_CHARACTERS = 100
MAX_REDIRECT_URI_CHARACTERS = 2000

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
"""A subquery for `IN (...)`, used by other files in statements that check and write in one step."""
COLUMNS = "client_id, secret_hash, name, redirect_uris, owner, approved_at, created_at"


@dataclass(frozen=True, kw_only=True)
class Application:
    """A registered application."""

    client_id: str
    name: str
    redirect_uris: tuple[str, ...]
    confidential: bool
    """Whether it has a secret and must authenticate with it (RFC 6749 section 2.1)."""
    owner: int | None
    """The user who registered it; None for applications that the cloud registered itself."""
    approved: bool
    """Whether it may be connected with more than `grants.USERS_ON_TRIAL` users."""
    created_at: int
    """When it was registered: epoch milliseconds on the cloud's clock."""


class Applications(AccessTables):
    """All applications, in the archive's database."""

    MIGRATIONS = MIGRATIONS

    def register(
        self, name: str, redirect_uris: Sequence[str], *, public: bool = False, owner: int | None = None
    ) -> tuple[str, str]:
        """Register an application; returns its client_id and, unless `public`, its client secret.

        Raises UsageError for a name or a redirect URI that is not acceptable.
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
        """An application by its client_id; None if it is not registered."""
        row = self._row(client_id)
        return _application(row) if row else None

    def of(self, owner: int) -> list[Application]:
        """The applications a user registered, oldest first."""
        rows = self.db.all(
            f"SELECT {COLUMNS} FROM oauth_apps WHERE owner = ? ORDER BY created_at, client_id", (owner,)
        )
        return [_application(row) for row in rows]

    def authenticate(self, client_id: str, client_secret: str) -> Application:
        """Authenticate an application. Raises OAuthError invalid_client."""
        row = self._row(client_id)
        stored: bytes | None = row[1] if row else _UNKNOWN_HASH
        # An unknown client_id takes as long as a wrong secret, so that the time does not reveal which ids
        # exist.
        proved = matches_hash(client_secret, stored) if stored is not None else not client_secret
        if row is None or not proved:
            raise OAuthError("invalid_client", "Client authentication failed", status=401)
        return _application(row)

    def signing_key(self, client_id: str) -> bytes | None:
        """The stored hash of an application's secret. As HMAC key it gives the same signatures as the secret.

        `events.MIN_HASHED_SECRET_LENGTH` explains why. None for an unknown or public application.
        """
        row = self._row(client_id)
        return row[1] if row else None

    def change(self, client_id: str, *, name: str, redirect_uris: Sequence[str]) -> None:
        """Change an application's name and redirect URIs.

        Raises UsageError if one of them is not acceptable or the application is not registered.
        """
        uris = _checked(name, redirect_uris)
        self._write("UPDATE oauth_apps SET name = ?, redirect_uris = ?", (name.strip(), uris), client_id)

    def rotate_secret(self, client_id: str) -> str:
        """Replace an application's secret and return the new one.

        Raises UsageError if the application has no secret or is not registered.
        """
        secret = _new_secret()
        app = self.get(client_id)
        if app is not None and not app.confidential:
            raise UsageError(
                f"{app.name} is a public application, without a secret",
                cure="register an application that is not public",
            )
        self._write("UPDATE oauth_apps SET secret_hash = ?", (hash_secret(secret),), client_id)
        return secret

    def set_secret(self, client_id: str, secret: str) -> None:
        """Set an application's secret, unless it has this secret already.

        Raises UsageError if the application is not registered.
        """
        stored = self.signing_key(client_id)
        if stored is None or not matches_hash(secret, stored):
            self._write("UPDATE oauth_apps SET secret_hash = ?", (hash_secret(secret),), client_id)

    def approve(self, client_id: str) -> None:
        """Allow an application any number of users. Raises UsageError if it is not registered."""
        self._write("UPDATE oauth_apps SET approved_at = ?", (self.clock.ms(),), client_id)

    def delete(self, client_id: str) -> None:
        """Delete an application, which ends its grants. Raises UsageError if it is not registered."""
        self._write("DELETE FROM oauth_apps", (), client_id)
        self.access_changed.emit()

    def _row(self, client_id: str) -> Row | None:
        if "\0" in client_id:
            return None  # PostgreSQL refuses NUL in text, and no client_id has it
        return self.db.one(f"SELECT {COLUMNS} FROM oauth_apps WHERE client_id = ?", (client_id,))

    def _write(self, change: str, values: tuple[object, ...], client_id: str) -> None:
        with self.archive.transaction():
            if not self.db.execute(f"{change} WHERE client_id = ?", (*values, client_id)):
                raise UsageError(
                    "unknown application", cure="look up its client_id in the list of applications"
                )


def _new_secret() -> str:
    # At least `events.MIN_HASHED_SECRET_LENGTH` characters, so that its hash can sign webhooks.
    return secrets.token_urlsafe(49)


_UNKNOWN_HASH = hash_secret("no such application")


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
    """Check a name and redirect URIs, and return the URIs as they are stored: one per line.

    Raises UsageError if one of them is not acceptable.
    """
    if not 0 < len(name.strip()) <= MAX_NAME_CHARACTERS or not name.isprintable():
        raise UsageError(
            f"an application's name has 1 to {MAX_NAME_CHARACTERS} characters", cure="give it a short name"
        )
    for uri in redirect_uris:
        check_redirect_uri(uri)
    return "\n".join(dict.fromkeys(redirect_uris))


_URI = re.compile(r"[A-Za-z0-9\-._~:/?\[\]@!$&'()*+,;=%]+")
"""The characters of RFC 3986, without the `#` that begins a fragment."""
_HOST = re.compile(r"[A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\]")


def check_redirect_uri(uri: str) -> None:
    """Raise UsageError if a redirect URI breaks the rules of RFC 6749 section 3.1.2 or RFC 8252 section 7."""
    if "#" in uri:
        raise _unfit(uri, "has a fragment", "remove the # and what follows it")
    if not _URI.fullmatch(uri) or len(uri) > MAX_REDIRECT_URI_CHARACTERS:
        raise _unfit(uri, "is not an absolute URI", "write it in full: https://app.example/callback")
    try:
        parts = urlsplit(uri)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        raise _unfit(uri, "has an invalid host or port", "correct the host and port") from None
    if "@" in parts.netloc:
        raise _unfit(uri, "contains a user name", "remove everything before the @")
    if parts.scheme in ("http", "https"):
        if not _HOST.fullmatch(parts.netloc.removesuffix(f":{port}")):
            raise _unfit(uri, "has an invalid host", "write it in full: https://app.example/callback")
        if parts.scheme == "http" and not is_loopback(host):
            raise _unfit(uri, "would receive codes unencrypted", "use https, or http on localhost")
    elif "." not in parts.scheme or parts.netloc:
        # A private-use scheme must be a domain in reverse, with a dot (RFC 8252 section 7.1). `javascript:`
        # has no dot.
        raise _unfit(
            uri,
            "has a scheme that any program may claim",
            "use https, or as scheme a domain that you own, in reverse: com.example.app:/cb",
        )


def _unfit(uri: str, why: str, cure: str) -> UsageError:
    return UsageError(f"{uri[:200]} {why}", cure=cure)
