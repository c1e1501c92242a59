"""Writes documents of what the wearer does by day: activity, stress, workouts, sessions.

Activity and stress have several versions a day. Each covers the day up to the time of the version, so a day
that is not over has a shorter `class_5_min` and `met` than a finished one.
"""

from __future__ import annotations

from functools import partial
from struct import pack, unpack
from typing import TYPE_CHECKING, Final

from ..simulation.local_time import DAY_S, HOUR_S, iso_day, local_timestamp
from ..simulation.random_streams import interpolate
from ..simulation.series import session_pulse
from .writer import DocumentHistory, sample

if TYPE_CHECKING:
    from ..simulation.plan import Session, Workout
    from .rings import Fields
    from .writer import DocumentWriter, Version

_MIXED_ZONES: Final = 0.04
"""The share of workouts whose start (or start and end) is written in UTC, as in a few recorded workouts."""
_TENTHS: Final = tuple(tenth / 10 for tenth in range(256))
_ACTIVITY_CONTRIBUTORS: Final = (
    "meet_daily_targets",
    "move_every_hour",
    "recovery_time",
    "stay_active",
    "training_frequency",
    "training_volume",
)


def _float32(x: float) -> float:
    """Round a number to a 32-bit float, because recorded distances are such numbers."""
    number: float = unpack("<f", pack("<f", x))[0]
    return number


def daily_activity(writer: DocumentWriter, day: int) -> list[DocumentHistory]:
    """One document a day, with a version every few hours, or a single one if the ring was hardly worn."""
    movement, rng = writer.days.movement(day), writer.streams.stream("activity synced", day)
    versions: list[Version] = []
    if movement.seconds("0") < 20 * HOUR_S:
        for hour in (5, 8, 11, 14, 17):
            at = movement.begin + hour * HOUR_S + rng.integer(0, 2 * HOUR_S)
            versions.append((at, partial(_activity, writer, day, at)))
    done = movement.begin + DAY_S + rng.integer(900, 4 * HOUR_S)
    return [DocumentHistory(day, [*versions, (done, partial(_activity, writer, day, done))])]


def _activity(writer: DocumentWriter, day: int, at: int) -> Fields:
    movement = writer.days.movement(day).until(at)
    scored = writer.scores.activity(day, movement)
    calories, metres = writer.scores.target(day)
    walked = round(movement.active_calories * metres / calories)
    stamp = writer.local(movement.begin)
    contributors: object = scored.contributors if scored else dict.fromkeys(_ACTIVITY_CONTRIBUTORS)
    return {
        "class_5_min": movement.classes,
        "score": scored.score if scored else None,
        "active_calories": movement.active_calories,
        "average_met_minutes": movement.average_met,
        "contributors": contributors,
        "equivalent_walking_distance": walked,
        "high_activity_met_minutes": movement.met_minutes("5"),
        "high_activity_time": movement.seconds("5"),
        "inactivity_alerts": movement.alerts,
        "low_activity_met_minutes": movement.met_minutes("3"),
        "low_activity_time": movement.seconds("3"),
        "medium_activity_met_minutes": movement.met_minutes("4"),
        "medium_activity_time": movement.seconds("4"),
        "met": sample(60.0, [_TENTHS[met] for met in movement.met], stamp),
        "meters_to_target": 100 * round((metres - walked) / 100),
        "non_wear_time": movement.seconds("0"),
        "resting_time": movement.seconds("1"),
        "sedentary_met_minutes": movement.met_minutes("2"),
        "sedentary_time": movement.seconds("2"),
        "steps": movement.steps,
        "target_calories": calories,
        "target_meters": metres,
        "total_calories": movement.total_calories,
        "day": iso_day(day),
        "timestamp": stamp,
    }


def daily_stress(writer: DocumentWriter, day: int) -> list[DocumentHistory]:
    """One document a day, in three versions; none on days on which the ring is not worn."""
    stress = writer.estimates.stress(day)
    if stress is None:
        return []
    rng, begin = writer.streams.stream("stress synced", day), writer.days.begin(day)

    def write(share: int) -> Fields:
        return {
            "day": iso_day(day),
            "stress_high": stress.high // 900 * share // 4 * 900,
            "recovery_high": stress.recovery // 900 * share // 4 * 900,
            "day_summary": stress.summary if share == 4 else None,
        }

    return [
        DocumentHistory(
            day,
            [
                (begin + hour * HOUR_S + rng.integer(0, HOUR_S), partial(write, share))
                for hour, share in ((8, 1), (13, 3), (18, 4))
            ],
        )
    ]


def workout(writer: DocumentWriter, day: int) -> list[DocumentHistory]:
    """The workouts and walks that begin on the day."""
    histories: list[DocumentHistory] = []
    for workout in writer.calendar.plan(day).workouts:
        own = writer.calendar.local_day(workout.begin)
        if own == day:
            synced = workout.end + writer.streams.stream("workout synced", workout.begin // 60).integer(
                120, 3600
            )
            histories.append(DocumentHistory(day, [(synced, partial(_workout, writer, workout))]))
    return histories


def _workout(writer: DocumentWriter, workout: Workout) -> Fields:
    rng, seconds = writer.streams.stream("workout", workout.begin // 60), workout.end - workout.begin
    weight, sport = writer.calendar.traits.weight, workout.sport
    measured = sport.speed and rng.chance(0.49 if sport.activity == "walking" else 0.75)
    pace = rng.between(0.75, 1.12)
    begin_offset, end_offset = (writer.calendar.offset(at) for at in (workout.begin, workout.end))
    if rng.chance(_MIXED_ZONES):
        begin_offset, end_offset = rng.choice(((0, 0), (0, end_offset)))
    return {
        "activity": sport.activity,
        "calories": round((workout.met - 1) * weight * seconds / HOUR_S * rng.between(0.7, 1.0), 3),
        "day": iso_day(writer.calendar.local_day(workout.begin)),
        "distance": _float32(sport.speed * seconds * pace) if measured else None,
        "end_datetime": local_timestamp(workout.end, end_offset),
        "intensity": "easy" if workout.met < 3.5 else "moderate" if workout.met < 8 else "hard",
        "label": None,
        "source": workout.source,
        "start_datetime": local_timestamp(workout.begin, begin_offset),
    }


def session(writer: DocumentWriter, day: int) -> list[DocumentHistory]:
    """The sessions that begin on the day; the cloud gets each a minute after its end."""
    return [
        DocumentHistory(day, [(session.end + 60, partial(_session, writer, session))])
        for session in writer.calendar.plan(day).sessions
        if writer.calendar.local_day(session.begin) == day
    ]


def _session(writer: DocumentWriter, session: Session) -> Fields:
    stamp = writer.local(session.begin)
    rates: list[float | None] = [None, None, None, None, *session_pulse(writer.series, session)[4:]]
    noise = writer.streams.random_bytes("motion", session.begin, len(rates))
    quiet = session.kind == "breathing"
    vary = writer.calendar.traits.hrv * 0.6
    felt: list[float | None] = [None] * 12
    felt += [float(round(vary * interpolate(byte, (0, 0.92), (255, 1.08)))) for byte in noise[12:]]
    return {
        "day": iso_day(writer.calendar.local_day(session.begin)),
        "start_datetime": stamp,
        "end_datetime": writer.local(session.end),
        "type": session.kind,
        "heart_rate": None if quiet else sample(5.0, rates, stamp),
        "heart_rate_variability": None if quiet else sample(5.0, felt, stamp),
        "mood": session.mood,
        "motion_count": sample(5.0, [float(9 + byte % 26) for byte in noise], stamp),
    }
