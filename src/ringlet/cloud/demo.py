"""The demo wearer: an ordinary user of the archive whose documents came from the simulated person."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from ..archive import Archive
from ..oauth import SCOPES
from ..person import Person
from ..windows import Profile
from .clock import Clock
from .grants import Grants
from .life import Life
from .outbox import Outbox

USER = "demo"
REDIRECT_URIS = (
    "http://localhost:8766/callback",
    "http://localhost:8080/callback",
    "http://127.0.0.1:8080/callback",
    "https://example.com/callback",
)


@dataclass(frozen=True, kw_only=True)
class Credentials:
    """What someone needs to try the cloud; printed by `serve --demo`, stored nowhere in this form."""

    user_id: str
    client_id: str
    client_secret: str = field(repr=False)
    access_token: str = field(repr=False)
    refresh_token: str = field(repr=False)
    redirect_uris: tuple[str, ...] = REDIRECT_URIS


def settle_in(
    archive: Archive,
    clock: Clock,
    *,
    days: int,
    seed: int,
    profile: Profile = "live",
    progress: Callable[[int, int], None] | None = None,
) -> int:
    """Put the last `days` days of the simulated person into the archive; returns the user."""
    life = wearer(archive, clock, Outbox(archive, clock), seed=seed, profile=profile)
    life.settle_in(days, progress)
    return life.user


def wearer(archive: Archive, clock: Clock, outbox: Outbox, *, seed: int, profile: Profile = "live") -> Life:
    """The demo wearer of an archive, who lives with a cloud's clock."""
    return Life.of(archive, clock, outbox, Person(seed, USER, dialect=profile))


def credentials(grants: Grants, user: int, user_id: str) -> Credentials:
    """An application of the demo's own, and a full grant for it."""
    client_id, client_secret = grants.apps.register("Demo application", REDIRECT_URIS)
    grants.apps.approve(client_id)
    issued = grants.issue(client_id, user, SCOPES)
    assert issued.refresh_token
    return Credentials(
        user_id=user_id,
        client_id=client_id,
        client_secret=client_secret,
        access_token=issued.access_token,
        refresh_token=issued.refresh_token,
    )
