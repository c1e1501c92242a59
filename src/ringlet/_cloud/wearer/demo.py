"""Creates the demo wearer: a user of the archive whose documents are those of a simulated person."""

from __future__ import annotations

import hmac
import secrets
from base64 import urlsafe_b64encode
from dataclasses import dataclass, field

from ..._api.windows import Dialect
from ..._archive.archive import Archive
from ..._archive.storage.locks import Lock
from ..._archive.storage.settings import Setting
from ..._oauth.grant import LOCAL_REDIRECT_URIS
from ..._oauth.scopes import SCOPES
from ..._person.person import Person
from ..._webhooks.events import MIN_HASHED_SECRET_LENGTH
from ..core.clock import Clock
from ..core.shutdown import Shutdown
from ..oauth.grants import Grants
from ..webhooks.deliveries import Deliveries
from ..webhooks.event_log import EventLog
from ..webhooks.publisher import Publisher
from ..webhooks.subscriptions import Subscriptions
from .timeline import Progress, Timeline

DEMO_USER_NAME = "demo"
REDIRECT_URIS = (
    *LOCAL_REDIRECT_URIS,
    "http://127.0.0.1:8080/callback",
    "https://example.com/callback",
)


@dataclass(frozen=True, kw_only=True)
class Credentials:
    """What a program needs to use a demo cloud, as `serve --demo` prints it."""

    user_id: str
    client_id: str
    client_secret: str = field(repr=False)
    access_token: str = field(repr=False)
    refresh_token: str = field(repr=False)
    redirect_uris: tuple[str, ...] = REDIRECT_URIS


def populate(
    archive: Archive,
    clock: Clock,
    *,
    days: int,
    seed: int,
    dialect: Dialect = "live",
    progress: Progress | None = None,
) -> int:
    """Write the last `days` days of a simulated person into the archive; returns the id of its user."""
    deliveries = Deliveries(archive, clock, Subscriptions(archive, clock))
    publisher = Publisher(archive, clock, EventLog(archive, clock), deliveries)
    demo = timeline(archive, clock, publisher, seed=seed, dialect=dialect)
    demo.populate(days, progress)
    return demo.user


def timeline(
    archive: Archive,
    clock: Clock,
    publisher: Publisher,
    *,
    seed: int,
    dialect: Dialect = "live",
    shutdown: Shutdown | None = None,
) -> Timeline:
    """Create the timeline of the demo wearer in an archive. `seed` decides which person is simulated."""
    return Timeline.of(archive, clock, publisher, Person(seed, DEMO_USER_NAME, dialect=dialect), shutdown)


def credentials(grants: Grants, user: int, user_id: str) -> Credentials:
    """Issue credentials of the demo application, to which the wearer `user` grants all scopes.

    The demo application is registered once for each archive. Its secret stays the same over restarts, so that
    subscriptions and receivers keep working. To make that possible, the archive stores the salt from which
    the secret is derived. For other applications the archive stores only a hash of the secret. The demo
    application's secret gives access to simulated data only.
    """
    setting = Setting.DEMO_APPLICATION.of(user)
    with grants.archive.transaction():
        grants.archive.database.lock(Lock.DEMO_APPLICATION, user)
        client_id, _, salt = (grants.archive.setting(setting) or "").partition(" ")
        known = grants.apps.get(client_id)
        if known is None:
            client_id, _ = grants.apps.register("Demo application", REDIRECT_URIS, owner=user)
            grants.apps.approve(client_id)
            salt = secrets.token_hex(32)
            grants.archive.set_setting(setting, f"{client_id} {salt}")
        client_secret = _secret(client_id, salt)
        grants.apps.set_secret(client_id, client_secret)
    issued = grants.issue(client_id, user, SCOPES)
    assert issued.refresh_token
    return Credentials(
        user_id=user_id,
        client_id=client_id,
        client_secret=client_secret,
        access_token=issued.access_token,
        refresh_token=issued.refresh_token,
        redirect_uris=known.redirect_uris if known else REDIRECT_URIS,
    )


def _secret(client_id: str, salt: str) -> str:
    derived = hmac.digest(salt.encode(), client_id.encode(), "sha512")
    return urlsafe_b64encode(derived).decode()[:MIN_HASHED_SECRET_LENGTH]
