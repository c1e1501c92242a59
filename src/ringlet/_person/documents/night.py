"""Writes documents about the night: sleep periods, sleep and readiness scores, and daily estimates."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from ..simulation.local_time import HOUR_S, iso_day
from .writer import DocumentHistory, midnight_timestamp, sample

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..simulation.scores import Readiness
    from ..simulation.sleep_periods import SleepPeriod
    from .rings import Fields
    from .writer import DocumentWriter


def _floats(items: Sequence[int | None]) -> list[float | None]:
    return [None if item is None else float(item) for item in items]


def sleep(writer: DocumentWriter, day: int) -> list[DocumentHistory]:
    """The night that ended on the day and the naps that belong to it."""
    histories: list[DocumentHistory] = []
    for period in writer.nights.periods(day):
        if period.kind == "long_sleep":
            histories += writer.after_the_night(day, partial(_sleep, writer, period))
        else:
            histories.append(
                DocumentHistory(day, [(writer.nap_synced(period), partial(_sleep, writer, period, 0))])
            )
    return histories


def _sleep(writer: DocumentWriter, period: SleepPeriod, points: int) -> Fields:
    begin = writer.local(period.begin)
    main, day = period.kind == "long_sleep", period.day
    readiness = writer.scores.readiness(day) if main else writer.scores.nap_readiness(period)
    reason = "foreground_sleep_analysis"
    if main and points >= 0 and writer.night_revised(day):
        reason = "bedtime_edit"
    elif writer.dialect == "live" and not main:
        reason = "background_sleep_analysis"
    return {
        "average_breath": period.breath,
        "average_heart_rate": period.average_bpm,
        "average_hrv": period.average_hrv,
        "awake_time": period.seconds("4"),
        "bedtime_end": writer.local(period.end),
        "bedtime_start": begin,
        "day": iso_day(day),
        "deep_sleep_duration": period.seconds("1"),
        "efficiency": period.efficiency,
        "heart_rate": sample(300.0, _floats(period.bpm), begin) if period.bpm else None,
        "hrv": sample(300.0, _floats(period.hrv), begin) if period.hrv else None,
        "latency": period.latency,
        "light_sleep_duration": period.seconds("2"),
        "low_battery_alert": main and writer.series.battery(period.end)[0] < 15,
        "lowest_heart_rate": period.lowest,
        "movement_30_sec": period.movement,
        "period": period.index,
        "readiness": _readiness(readiness, points) if readiness else None,
        "readiness_score_delta": writer.nap_points(period),
        "rem_sleep_duration": period.seconds("3"),
        "restless_periods": period.restless,
        "sleep_phase_5_min": period.five_minutes(),
        "sleep_score_delta": writer.nap_points(period),
        "sleep_algorithm_version": "v2",
        "sleep_analysis_reason": reason,
        "time_in_bed": period.in_bed,
        "total_sleep_duration": period.asleep,
        "type": period.kind,
        "ring_id": writer.ring_id(period.end),
        "sleep_phase_30_sec": period.phases,
        # The app finds other stages than the ring: in recorded answers this seldom equals sleep_phase_5_min.
        "app_sleep_phase_5_min": period.five_minutes(period.phases[5:] + period.phases[-5:]),
    }


def _readiness(readiness: Readiness, points: int) -> Fields:
    return {
        "contributors": readiness.contributors,
        "score": max(1, min(100, readiness.score + points)),
        "temperature_deviation": readiness.deviation,
        "temperature_trend_deviation": readiness.trend,
    }


def daily_sleep(writer: DocumentWriter, day: int) -> list[DocumentHistory]:
    """The sleep score of the night; no document if the ring was not worn at night."""
    sleep = writer.scores.sleep(day)
    if sleep is None:
        return []

    def write(points: int) -> Fields:
        return {
            "contributors": sleep.contributors,
            "day": iso_day(day),
            "score": max(1, min(100, sleep.score + points)),
            "timestamp": midnight_timestamp(day),
        }

    return writer.after_the_night(day, write)


def daily_readiness(writer: DocumentWriter, day: int) -> list[DocumentHistory]:
    """The readiness after the night; no document if the ring was not worn at night."""
    readiness = writer.scores.readiness(day)
    if readiness is None:
        return []

    def write(points: int) -> Fields:
        fields = _readiness(readiness, points)
        return {
            "contributors": fields.pop("contributors"),
            "day": iso_day(day),
            **fields,
            "timestamp": midnight_timestamp(day),
        }

    return writer.after_the_night(day, write)


def daily_spo2(writer: DocumentWriter, day: int) -> list[DocumentHistory]:
    """The oxygen saturation of the night; no document if the ring was not worn at night."""
    oxygen = writer.estimates.oxygen(day)
    if oxygen is None:
        return []
    average, disturbed = oxygen
    fields: Fields = {
        "day": iso_day(day),
        "spo2_percentage": {"average": average},
        "breathing_disturbance_index": disturbed,
    }
    return writer.in_the_morning(day, fields)


def daily_resilience(writer: DocumentWriter, day: int) -> list[DocumentHistory]:
    """The resilience of the last two weeks; no document if they have too few nights."""
    resilience = writer.estimates.resilience(day)
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
    return writer.in_the_morning(day, fields)


def daily_cardiovascular_age(writer: DocumentWriter, day: int) -> list[DocumentHistory]:
    """The vascular age of the night; no document for one night in eight, and if the ring was not worn."""
    vascular = writer.estimates.vascular(day)
    if vascular is None:
        return []
    age, velocity = vascular
    fields: Fields = {"day": iso_day(day), "pulse_wave_velocity": velocity, "vascular_age": age}
    return writer.in_the_morning(day, fields)


def vo2_max(writer: DocumentWriter, day: int) -> list[DocumentHistory]:
    """An estimate of VO2 max after some days with training; the cloud gets it an hour before bedtime."""
    value = writer.estimates.vo2_max(day)
    if value is None:
        return []
    at = writer.calendar.plan(day).end - HOUR_S
    return [
        DocumentHistory(
            day, [(at, lambda: {"day": iso_day(day), "timestamp": midnight_timestamp(day), "vo2_max": value})]
        )
    ]


def sleep_time(writer: DocumentWriter, day: int) -> list[DocumentHistory]:
    """The recommended bedtime, computed from the bedtimes of the last two weeks."""
    night = writer.nights.long_sleep(day)
    if night is None:
        return []
    back = writer.scores.back(day)
    begins = [past.begin - writer.calendar.instant(past.day, 0) for past in (night, *back)]
    usual, steady = sum(begins) / len(begins), writer.streams.drift("sleep time", day, 20)
    window: Fields | None = None
    recommendation: str | None = None
    if len(back) < 5:
        status = "not_enough_recent_nights"
    elif steady < -0.35:
        status = "only_recommended_found"
        recommendation = "earlier_bedtime" if usual > -HOUR_S else "improve_efficiency"
    else:
        status, recommendation = "optimal_found", "follow_optimal_bedtime"
        start = round((usual - 1800) / 900) * 900
        zone = writer.calendar.offset(night.end)
        window = {"day_tz": zone, "end_offset": start + 2700, "start_offset": start}
    fields: Fields = {
        "day": iso_day(day),
        "optimal_bedtime": window,
        "recommendation": recommendation,
        "status": status,
    }
    return writer.in_the_morning(day, fields)
