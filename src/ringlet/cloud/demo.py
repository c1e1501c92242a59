"""The demo wearer: an ordinary user of the archive whose documents came from the simulated person."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta

import msgspec

from ..archive import Archive
from ..catalog import TYPES
from ..kinds import Documents, Inventory, Samples
from ..models import PersonalInfo
from ..oauth import SCOPES
from ..person import Person
from ..windows import Profile, to_ms
from .clock import Clock
from .grants import Grants

USER = "demo"
REDIRECT_URIS = (
    "http://localhost:8766/callback",
    "http://localhost:8080/callback",
    "http://127.0.0.1:8080/callback",
    "https://example.com/callback",
)
BLOCK = timedelta(days=30)


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
    archive.observer = None  # nobody is told of what was there from the beginning
    person = Person(seed, USER, dialect=profile)
    me = msgspec.json.decode(person.personal_info(), type=PersonalInfo)
    user = archive.user(me.id)
    now = clock.now()
    # Tomorrow is already today somewhere east of Greenwich; what has not happened yet stays out by `now`.
    last = now.date() + timedelta(days=1)
    first = now.date() - timedelta(days=days - 1)
    seen_at = to_ms(now)
    done = 0
    start = first
    while start <= last:
        stop = min(last, start + BLOCK - timedelta(days=1))
        with archive.transaction():
            for kind in TYPES.values():
                if isinstance(kind, Documents):
                    items = person.documents(kind.name, start, stop, now=now)
                    archive.put(user, kind, b"[%s]" % b",".join(i.body for i in items), seen_at=seen_at)
                elif isinstance(kind, Samples):
                    rows = b",".join(row for _, row in person.samples(kind.name, start, stop, now=now))
                    archive.put_samples(user, kind, [b"[%s]" % rows], seen_at=seen_at)
        done += (stop - start).days + 1
        if progress:
            progress(done, (last - first).days + 1)
        start = stop + timedelta(days=1)
    with archive.transaction():
        for kind in TYPES.values():
            if isinstance(kind, Inventory):
                items = person.documents(kind.name, first, last, now=now)
                archive.put(user, kind, b"[%s]" % b",".join(i.body for i in items), seen_at=seen_at)
        archive.put(user, TYPES["personal_info"], person.personal_info(), seen_at=seen_at)
    return user


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
