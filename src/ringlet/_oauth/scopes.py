"""OAuth2 scopes: the portal's names, and how a `scope` value is read and written. No I/O.

Three spellings are in use. The developer portal and the live service say `spo2`, Oura's specification says
`spo2Daily`, and the newer identity system puts `extapi:` before each name. All are read; the portal's are
written.
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
"""The eleven scopes of the developer portal, in its order, with what each opens."""

SCOPE_ALIASES: Mapping[str, str] = {"spo2daily": "spo2", "tag user": "tag"}
"""The specification writes `spo2Daily`; the server honours `spo2`."""

SCOPE_PREFIX = "extapi:"
"""How the newer identity system spells a scope on the wire."""


def scope_name(text: str) -> str:
    """One scope in its portal spelling, whatever it came in."""
    bare = text.strip().removeprefix(SCOPE_PREFIX)
    return SCOPE_ALIASES.get(bare.lower(), bare)


def scope_set(text: str) -> frozenset[str]:
    """A space-separated `scope` value as portal names. Commas are seen in the wild and accepted."""
    return frozenset(scope_name(one) for one in text.replace(",", " ").split())


def scope_text(scopes: Iterable[str], *, prefix: bool = False) -> str:
    """Scopes as a `scope` value, known ones in the portal's order."""
    order = {name: index for index, name in enumerate(SCOPES)}
    names = sorted(set(scopes), key=lambda name: (order.get(name, len(order)), name))
    return " ".join(SCOPE_PREFIX + name if prefix else name for name in names)
