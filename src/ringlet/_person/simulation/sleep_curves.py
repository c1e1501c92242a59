"""Simulates one night: sleep stages in cycles, and the heart rate and HRV of each stage."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from .random_streams import NORMAL_DEVIATES, partition

if TYPE_CHECKING:
    from .random_streams import RandomStream

_BPM_BY_STAGE: Final = {"1": -0.6, "2": 0.0, "3": 1.6, "4": 4.2}
"""Beats per minute to add to the curve of the night, by stage (1 deep, 2 light, 3 REM, 4 awake)."""
_HRV_BY_STAGE: Final = {"1": 0.95, "2": 1.05, "3": 0.92, "4": 0.86}
"""Factor of the HRV of the night, by stage."""


def hypnogram(
    rng: RandomStream, epochs: int, latency: int, awake: float, deep: float, rem: float
) -> list[tuple[str, int]]:
    """The sleep stages of a night in order, as (stage, number of epochs). An epoch is 30 seconds.

    `epochs` is the time in bed and `latency` the time until the wearer falls asleep, in epochs. `awake`,
    `deep` and `rem` are shares of the time in bed; the remaining share is light sleep. The stages repeat in
    cycles of about 92 minutes (185 epochs); from cycle to cycle there is less deep and more REM sleep.
    """
    latency = min(latency, epochs // 2)
    awakes = min(max(0, round(awake * epochs) - latency), epochs - latency - 1)
    slept = epochs - latency - awakes
    deeps, rems = min(round(deep * epochs), slept // 2), min(round(rem * epochs), slept // 3)
    cycles = max(1, round(slept / 185))
    each = range(cycles)
    wobble = [rng.between(0.7, 1.3) for _ in range(11 * cycles)]
    early, late = [(cycles - i) * (cycles - i) for i in each], [i + 0.5 for i in each]
    deep_parts = partition(deeps, [part for i in each for part in (wobble[i] * early[i], 0.7 * early[i])])
    rem_parts = partition(rems, [part for i in each for part in (wobble[-1 - i] * late[i], 0.6 * late[i])])
    awake_parts = partition(awakes, [w * w * w for w in wobble[: 3 * cycles]])
    light_parts = partition(
        slept - deeps - rems,
        [
            w * share
            for i in each
            for w, share in zip(wobble[5 * i :], (3.0, 0.35, 3.0, 2.4, 0.35), strict=False)
        ],
    )
    segments = [("4", latency)]
    for i in each:
        light, woke = light_parts[5 * i : 5 * i + 5], awake_parts[3 * i : 3 * i + 3]
        (deep_a, deep_b), (rem_a, rem_b) = deep_parts[2 * i : 2 * i + 2], rem_parts[2 * i : 2 * i + 2]
        segments += [
            ("2", light[0]),
            ("4", woke[0]),
            ("1", deep_a),
            ("2", light[1]),
            ("1", deep_b),
            ("2", light[2]),
            ("4", woke[1]),
            ("2", light[3]),
            ("3", rem_a),
            ("2", light[4]),
            ("3", rem_b),
            ("4", woke[2]),
        ]
    return [segment for segment in segments if segment[1]]


def heart_rate_and_hrv(
    phases: str, noise: bytes, low: float, rise: float, bottom: float, vary: float
) -> tuple[tuple[int | None, ...], tuple[int | None, ...]]:
    """The heart rate (bpm) and HRV (ms) of each full 5 minutes; None if the ring measured nothing.

    The heart rate falls from `low + rise` to about `low`, which it reaches at the share `bottom` of the
    night, and then rises again, less steeply. `vary` is the HRV of the night; `noise` has two random bytes
    for each value.
    """
    slots = len(phases) // 10
    bpm: list[int | None] = []
    hrv: list[int | None] = []
    missing, wander = 0, 0.0
    for slot in range(slots):
        stage = phases[10 * slot + 5]
        first, second = NORMAL_DEVIATES[noise[2 * slot]], NORMAL_DEVIATES[noise[2 * slot + 1]]
        wander = 0.6 * wander + first
        x = slot / slots
        depth = (bottom - x) / bottom if x < bottom else 0.6 * (x - bottom) / (1 - bottom)
        rate = low + 1.2 + rise * depth * depth + 0.7 * wander + _BPM_BY_STAGE[stage]
        gap = missing > 0 or first > 1.7
        missing = missing - 1 if missing else noise[2 * slot + 1] % 4 if gap else 0
        if gap:
            bpm.append(None)
            hrv.append(None)
        else:
            bpm.append(max(31, round(rate)))
            beat = (
                vary
                * _HRV_BY_STAGE[stage]
                * (1.08 - 0.3 * depth * depth)
                * (1 + 0.24 * second - 0.05 * wander)
            )
            hrv.append(max(5, round(beat)))
    if all(rate is None for rate in bpm):
        bpm[0], hrv[0] = round(low + 2), max(5, round(vary))
    return tuple(bpm), tuple(hrv)
