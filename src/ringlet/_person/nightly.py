"""Documents of the night: sleep, and what is known of the day once it has been slept."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from .pen import Draft, midnight_utc, sample
from .zones import HOUR, iso_day

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .night import Period
    from .pen import Pen
    from .rings import Fields
    from .scores import Readiness


def _floats(items: Sequence[int | None]) -> list[float | None]:
    return [None if item is None else float(item) for item in items]


def sleep(pen: Pen, day: int) -> list[Draft]:
    drafts: list[Draft] = []
    for period in pen.nights.periods(day):
        if period.kind == "long_sleep":
            drafts += pen.nightly(day, partial(_sleep, pen, period))
        else:
            drafts.append(Draft(day, [(pen.synced(period), partial(_sleep, pen, period, 0))]))
    return drafts


def _sleep(pen: Pen, period: Period, points: int) -> Fields:
    begin = pen.local(period.begin)
    main, day = period.kind == "long_sleep", period.day
    readiness = pen.scores.readiness(day) if main else pen.scores.nap_readiness(period)
    reason = "foreground_sleep_analysis"
    if main and points >= 0 and pen.revised(day):
        reason = "bedtime_edit"
    elif pen.dialect == "live" and not main:
        reason = "background_sleep_analysis"
    return {
        "average_breath": period.breath,
        "average_heart_rate": period.average_bpm,
        "average_hrv": period.average_hrv,
        "awake_time": period.seconds("4"),
        "bedtime_end": pen.local(period.end),
        "bedtime_start": begin,
        "day": iso_day(day),
        "deep_sleep_duration": period.seconds("1"),
        "efficiency": period.efficiency,
        "heart_rate": sample(300.0, _floats(period.bpm), begin) if period.bpm else None,
        "hrv": sample(300.0, _floats(period.hrv), begin) if period.hrv else None,
        "latency": period.latency,
        "light_sleep_duration": period.seconds("2"),
        "low_battery_alert": main and pen.series.battery(period.end)[0] < 15,
        "lowest_heart_rate": period.lowest,
        "movement_30_sec": period.movement,
        "period": period.index,
        "readiness": _readiness(readiness, points) if readiness else None,
        "readiness_score_delta": pen.helped(period),
        "rem_sleep_duration": period.seconds("3"),
        "restless_periods": period.restless,
        "sleep_phase_5_min": period.five_minutes(),
        "sleep_score_delta": pen.helped(period),
        "sleep_algorithm_version": "v2",
        "sleep_analysis_reason": reason,
        "time_in_bed": period.in_bed,
        "total_sleep_duration": period.asleep,
        "type": period.kind,
        "ring_id": pen.ring(period.end),
        "sleep_phase_30_sec": period.phases,
        # The app smooths stages with a window of its own; it seldom agrees with the ring in every slot.
        "app_sleep_phase_5_min": period.five_minutes(period.phases[5:] + period.phases[-5:]),
    }


def _readiness(readiness: Readiness, points: int) -> Fields:
    return {
        "contributors": readiness.contributors,
        "score": max(1, min(100, readiness.score + points)),
        "temperature_deviation": readiness.deviation,
        "temperature_trend_deviation": readiness.trend,
    }


def daily_sleep(pen: Pen, day: int) -> list[Draft]:
    sleep = pen.scores.sleep(day)
    if sleep is None:
        return []

    def write(points: int) -> Fields:
        return {
            "contributors": sleep.contributors,
            "day": iso_day(day),
            "score": max(1, min(100, sleep.score + points)),
            "timestamp": midnight_utc(day),
        }

    return pen.nightly(day, write)


def daily_readiness(pen: Pen, day: int) -> list[Draft]:
    readiness = pen.scores.readiness(day)
    if readiness is None:
        return []

    def write(points: int) -> Fields:
        told = _readiness(readiness, points)
        return {
            "contributors": told.pop("contributors"),
            "day": iso_day(day),
            **told,
            "timestamp": midnight_utc(day),
        }

    return pen.nightly(day, write)


def daily_spo2(pen: Pen, day: int) -> list[Draft]:
    oxygen = pen.estimates.oxygen(day)
    if oxygen is None:
        return []
    average, disturbed = oxygen
    fields: Fields = {
        "day": iso_day(day),
        "spo2_percentage": {"average": average},
        "breathing_disturbance_index": disturbed,
    }
    return pen.once(day, fields)


def daily_resilience(pen: Pen, day: int) -> list[Draft]:
    resilience = pen.estimates.resilience(day)
    if resilience is None:
        return []
    fields: Fields = {
        "day": iso_day(day),
        "contributors": {
            "sleep_recovery": resilience.sleep_recovery,
            "daytime_recovery": resilience.daytime_recovery,
            "stress": resilience.stress,
        },
        "level": resilience.level,
    }
    return pen.once(day, fields)


def daily_cardiovascular_age(pen: Pen, day: int) -> list[Draft]:
    vascular = pen.estimates.vascular(day)
    if vascular is None:
        return []
    age, velocity = vascular
    fields: Fields = {"day": iso_day(day), "pulse_wave_velocity": velocity, "vascular_age": age}
    return pen.once(day, fields)


def vo2_max(pen: Pen, day: int) -> list[Draft]:
    value = pen.estimates.vo2_max(day)
    if value is None:
        return []
    at = pen.calendar.plan(day).end - HOUR
    return [
        Draft(day, [(at, lambda: {"day": iso_day(day), "timestamp": midnight_utc(day), "vo2_max": value})])
    ]


def sleep_time(pen: Pen, day: int) -> list[Draft]:
    night = pen.nights.main(day)
    if night is None:
        return []
    back = pen.scores.back(day)
    begins = [past.begin - pen.calendar.instant(past.day, 0) for past in (night, *back)]
    usual, steady = sum(begins) / len(begins), pen.cup.drift("sleep time", day, 20)
    window: Fields | None = None
    recommendation: str | None = None
    if len(back) < 5:
        status = "not_enough_recent_nights"
    elif steady < -0.35:
        status = "only_recommended_found"
        recommendation = "earlier_bedtime" if usual > -HOUR else "improve_efficiency"
    else:
        status, recommendation = "optimal_found", "follow_optimal_bedtime"
        start = round((usual - 1800) / 900) * 900
        zone = pen.calendar.offset(night.end)
        window = {"day_tz": zone, "end_offset": start + 2700, "start_offset": start}
    fields: Fields = {
        "day": iso_day(day),
        "optimal_bedtime": window,
        "recommendation": recommendation,
        "status": status,
    }
    return pen.once(day, fields)
