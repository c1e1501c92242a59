"""Documents of the waking day: activity, stress, workouts, sessions.

Activity and stress grow through the day: each version covers what had happened by then, so that a day under
way has shorter `class_5_min` and `met` than a finished one.
"""

from __future__ import annotations

from functools import partial
from struct import pack, unpack
from typing import TYPE_CHECKING, Final

from .dice import ladder
from .pen import Draft, sample
from .series import session_pulse
from .zones import DAY, HOUR, iso_day, local

if TYPE_CHECKING:
    from .pen import Pen, Version
    from .plan import Session, Workout
    from .rings import Fields

_MIXED_ZONES: Final = 0.04
"""Recorded workouts now and then give their start, or both ends, in UTC."""
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
    """Distances come with the noise of single precision."""
    number: float = unpack("<f", pack("<f", x))[0]
    return number


def daily_activity(pen: Pen, day: int) -> list[Draft]:
    movement, dice = pen.days.movement(day), pen.cup.dice("activity synced", day)
    versions: list[Version] = []
    if movement.seconds("0") < 20 * HOUR:
        for hour in (5, 8, 11, 14, 17):
            at = movement.begin + hour * HOUR + dice.whole(0, 2 * HOUR)
            versions.append((at, partial(_activity, pen, day, at)))
    done = movement.begin + DAY + dice.whole(900, 4 * HOUR)
    return [Draft(day, [*versions, (done, partial(_activity, pen, day, done))])]


def _activity(pen: Pen, day: int, at: int) -> Fields:
    movement = pen.days.movement(day).until(at)
    scored = pen.scores.activity(day, movement)
    calories, metres = pen.scores.target(day)
    walked = round(movement.active_calories * metres / calories)
    stamp = pen.local(movement.begin)
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


def daily_stress(pen: Pen, day: int) -> list[Draft]:
    stress = pen.estimates.stress(day)
    if stress is None:
        return []
    dice, begin = pen.cup.dice("stress synced", day), pen.days.begin(day)

    def write(share: int) -> Fields:
        return {
            "day": iso_day(day),
            "stress_high": stress.high // 900 * share // 4 * 900,
            "recovery_high": stress.recovery // 900 * share // 4 * 900,
            "day_summary": stress.summary if share == 4 else None,
        }

    return [
        Draft(
            day,
            [
                (begin + hour * HOUR + dice.whole(0, HOUR), partial(write, share))
                for hour, share in ((8, 1), (13, 3), (18, 4))
            ],
        )
    ]


def workout(pen: Pen, day: int) -> list[Draft]:
    drafts: list[Draft] = []
    for workout in pen.calendar.plan(day).workouts:
        own = pen.calendar.local_day(workout.begin)
        if own == day:
            synced = workout.end + pen.cup.dice("workout synced", workout.begin // 60).whole(120, 3600)
            drafts.append(Draft(day, [(synced, partial(_workout, pen, workout))]))
    return drafts


def _workout(pen: Pen, workout: Workout) -> Fields:
    dice, seconds = pen.cup.dice("workout", workout.begin // 60), workout.end - workout.begin
    weight, sport = pen.calendar.traits.weight, workout.sport
    measured = sport.speed and dice.chance(0.49 if sport.activity == "walking" else 0.75)
    pace = dice.between(0.75, 1.12)
    begin_offset, end_offset = (pen.calendar.offset(at) for at in (workout.begin, workout.end))
    if dice.chance(_MIXED_ZONES):
        begin_offset, end_offset = dice.pick(((0, 0), (0, end_offset)))
    return {
        "activity": sport.activity,
        "calories": round((workout.met - 1) * weight * seconds / HOUR * dice.between(0.7, 1.0), 3),
        "day": iso_day(pen.calendar.local_day(workout.begin)),
        "distance": _float32(sport.speed * seconds * pace) if measured else None,
        "end_datetime": local(workout.end, end_offset),
        "intensity": "easy" if workout.met < 3.5 else "moderate" if workout.met < 8 else "hard",
        "label": None,
        "source": workout.source,
        "start_datetime": local(workout.begin, begin_offset),
    }


def session(pen: Pen, day: int) -> list[Draft]:
    return [
        Draft(day, [(session.end + 60, partial(_session, pen, session))])
        for session in pen.calendar.plan(day).sessions
        if pen.calendar.local_day(session.begin) == day
    ]


def _session(pen: Pen, session: Session) -> Fields:
    stamp = pen.local(session.begin)
    rates: list[float | None] = [None, None, None, None, *session_pulse(pen.series, session)[4:]]
    noise = pen.cup.stream("motion", session.begin, len(rates))
    quiet = session.kind == "breathing"
    vary = pen.calendar.traits.hrv * 0.6
    felt: list[float | None] = [None] * 12
    felt += [float(round(vary * ladder(byte, (0, 0.92), (255, 1.08)))) for byte in noise[12:]]
    return {
        "day": iso_day(pen.calendar.local_day(session.begin)),
        "start_datetime": stamp,
        "end_datetime": pen.local(session.end),
        "type": session.kind,
        "heart_rate": None if quiet else sample(5.0, rates, stamp),
        "heart_rate_variability": None if quiet else sample(5.0, felt, stamp),
        "mood": session.mood,
        "motion_count": sample(5.0, [float(9 + byte % 26) for byte in noise], stamp),
    }
