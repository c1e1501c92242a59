"""The rings that the wearer has set up, oldest first."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..simulation.local_time import DAY_S, EPOCH_DAY, HOUR_S, iso_day, local_timestamp

if TYPE_CHECKING:
    from ..._api.windows import Dialect
    from ..simulation.random_streams import RandomStreams

Fields = dict[str, object]
"""The fields of a document, in the order of Oura's answers."""


def rings(streams: RandomStreams, dialect: Dialect) -> list[tuple[int, Fields]]:
    """The instant at which each ring was set up, and the fields of its document without the id.

    The first ring is dated 1970-01-01, as in recorded answers. Nine wearers in ten have set up a second ring.
    """
    rng = streams.stream("rings")
    size = rng.integer(6, 13)
    first: Fields = {
        "color": rng.choice(("stealth_black", "silver", "glossy_gold", "rose")),
        "design": rng.choice(("heritage", "horizon")),
        "firmware_version": "2.9.32",
        "hardware_type": "gen3",
        "set_up_at": f"{iso_day(EPOCH_DAY)}T00:00:00.000+00:00",
        "size": size,
    }
    which = rng.uniform()
    # 20,017 days after 1970-01-01 is 2024-10-21, soon after the fourth generation came out.
    at = 20_017 * DAY_S + rng.integer(0, 400) * DAY_S + rng.integer(9 * HOUR_S, 20 * HOUR_S)
    color = rng.choice(("titanium", "stealth_black", "brushed_silver"))
    if which >= 0.9:
        return [(0, first)]
    hardware = "gen4"
    if which < 0.1:
        at += 560 * DAY_S
        if dialect == "live":
            hardware = "or5"  # Specifications before 1.35 do not have this value.
    second: Fields = {
        "color": color,
        "design": None,
        "firmware_version": "3.4.1",
        "hardware_type": hardware,
        "set_up_at": local_timestamp(at, 0),
        "size": size,
    }
    return [(0, first), (at, second)]
