"""OAuth2 scopes: their names, and how a `scope` value is read and written. No I/O.

Oura uses three spellings. The developer portal and the live service say `spo2`, Oura's specification says
`spo2Daily`, and the newer token host puts `extapi:` before each name. ringlet reads all three, and writes the
spelling of the developer portal.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

SCOPES: Mapping[str, str] = {
    "email": "E-mail address",
    "personal": "Age, weight, height and biological sex",
    "daily": "Daily summaries of sleep, activity and readiness",
    "heartrate": "Heart rate through the day and night",
    "workout": "Workouts, detected and entered",
    "tag": "Tags entered by the wearer",
    "session": "Guided and unguided sessions",
    "spo2": "Blood oxygen during sleep",
    "ring_configuration": "The ring itself: model, size, battery",
    "stress": "Stress resilience",
    "heart_health": "Cardiovascular age and VO2 max",
}
"""The eleven scopes of Oura's developer portal, in its order, with the data that each allows to read."""

SCOPE_ALIASES: Mapping[str, str] = {"spo2daily": "spo2", "tag user": "tag"}
"""The portal's spelling of scopes for other spellings in lower case; the specification has `spo2Daily`."""

SCOPE_PREFIX = "extapi:"
"""The prefix that Oura's newer token host puts before the name of each scope."""


def scope_name(text: str) -> str:
    """Convert one scope from any of the three spellings to that of the portal."""
    bare = text.strip().removeprefix(SCOPE_PREFIX)
    return SCOPE_ALIASES.get(bare.lower(), bare)


def scope_set(text: str) -> frozenset[str]:
    """Parse a space-separated `scope` value into portal names. Commas are accepted, too."""
    return frozenset(scope_name(one) for one in text.replace(",", " ").split())


def scope_text(scopes: Iterable[str], *, prefix: bool = False) -> str:
    """Write scopes as a `scope` value, in the portal's order; with `prefix`, as the newer token host does."""
    order = {name: index for index, name in enumerate(SCOPES)}
    names = sorted(set(scopes), key=lambda name: (order.get(name, len(order)), name))
    return " ".join(SCOPE_PREFIX + name if prefix else name for name in names)
