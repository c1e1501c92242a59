"""Rings: every one a person ever set up, oldest first."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from .zones import DAY, EPOCH, HOUR, iso_day, local

if TYPE_CHECKING:
    from .dice import Cup

Dialect = Literal["live", "docs"]
Fields = dict[str, object]


def rings(cup: Cup, dialect: Dialect) -> list[tuple[int, Fields]]:
    """Every ring and when it was set up. Recorded answers date a first ring to 1970-01-01."""
    dice = cup.dice("rings")
    size = dice.whole(6, 13)
    first: Fields = {
        "color": dice.pick(("stealth_black", "silver", "glossy_gold", "rose")),
        "design": dice.pick(("heritage", "horizon")),
        "firmware_version": "2.9.32",
        "hardware_type": "gen3",
        "set_up_at": f"{iso_day(EPOCH)}T00:00:00.000+00:00",
        "size": size,
    }
    found = [(0, first)]
    newest = dice.unit()
    at = 20_017 * DAY + dice.whole(0, 400) * DAY + dice.whole(9 * HOUR, 20 * HOUR)
    color = dice.pick(("titanium", "stealth_black", "brushed_silver"))
    if newest < 0.9:
        hardware = "or5" if newest < 0.1 and dialect == "live" else "gen4"
        if newest < 0.1:
            at += 560 * DAY
        found.append(
            (
                at,
                {
                    "color": color,
                    "design": None,
                    "firmware_version": "3.4.1",
                    "hardware_type": hardware,
                    "set_up_at": local(at, 0),
                    "size": size,
                },
            )
        )
    return found
