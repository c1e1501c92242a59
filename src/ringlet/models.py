"""The models of the documents that Oura API v2 returns: one class per data type, one attribute per JSON key.

The attributes have the names of the JSON keys, and the order of Oura's newest specification. This file has no
I/O and no derived values, and does not judge what a number means for a person.

Rules of this file:

* A model has every field of the published specifications (1.27, 1.29, 1.37) and every field seen in answers
  of the live service, so old archives and new answers decode alike.
* Only a few fields are required: those that identify a document or place it in time (`id`, the day, the
  start, a sample's `timestamp`), and the measured value of a sample. Any other field is None where an answer
  has null or lacks the key.
* Enums are open: an editor completes the known values, and an unknown value decodes as a plain string.
* Unknown keys are ignored. The archive does not lose them, because it stores the bytes that Oura sent and not
  these models.
* Timestamps keep the UTC offset they were sent with. Some are sent without an offset and decode as naive
  datetimes: check `tzinfo` before you compare two.
* Durations are seconds, distances metres, energy kilocalories, temperatures degrees Celsius, unless a field
  says otherwise. Scores and their contributors run from 1 to 100, higher is better.
"""

from datetime import date, datetime
from typing import Literal, TypeAlias

import msgspec

__all__ = [
    "ActivityContributors",
    "DailyActivity",
    "DailyCardiovascularAge",
    "DailyReadiness",
    "DailyResilience",
    "DailySleep",
    "DailySpO2",
    "DailyStress",
    "DailyStressSummary",
    "EnhancedTag",
    "HeartRate",
    "HeartRateSource",
    "InterbeatInterval",
    "LongTermResilienceLevel",
    "Metadata",
    "MomentMood",
    "MomentType",
    "OptimalBedtime",
    "PersonalInfo",
    "Readiness",
    "ReadinessContributors",
    "ResilienceContributors",
    "RestModeEpisode",
    "RestModePeriod",
    "RingBatteryLevel",
    "RingColor",
    "RingConfiguration",
    "RingDesign",
    "RingHardwareType",
    "Sample",
    "Session",
    "Sleep",
    "SleepAlgorithmVersion",
    "SleepAnalysisReason",
    "SleepContributors",
    "SleepTime",
    "SleepTimeRecommendation",
    "SleepTimeStatus",
    "SleepType",
    "SpO2Percentage",
    "Tag",
    "VO2Max",
    "Workout",
    "WorkoutIntensity",
    "WorkoutSource",
]

# --- Enums: the known values, from all specifications; any other string is accepted ---

DailyStressSummary: TypeAlias = Literal["restored", "normal", "stressful"] | str
"""The balance of a day's stress and recovery, in one word."""

HeartRateSource: TypeAlias = Literal["awake", "workout", "rest", "sleep", "live", "session"] | str
"""What the wearer was doing when the ring measured a heart rate; `live` means that the wearer started the
measurement in the app."""

LongTermResilienceLevel: TypeAlias = Literal["limited", "adequate", "solid", "strong", "exceptional"] | str
"""Levels of resilience, from lowest to highest."""

MomentMood: TypeAlias = Literal["bad", "worse", "same", "good", "great"] | str
"""How the wearer felt after a session, as they answered in the app."""

MomentType: TypeAlias = Literal["breathing", "meditation", "nap", "relaxation", "rest", "body_status"] | str
"""Kind of guided or unguided session."""

RingColor: TypeAlias = (
    Literal[
        "brushed_silver",
        "glossy_black",
        "glossy_gold",
        "glossy_white",
        "gucci",
        "matt_gold",
        "rose",
        "silver",
        "stealth_black",
        "titanium",
        "titanium_and_gold",
        "cloud",
        "petal",
        "midnight",
        "tide",
        "deep_rose",
    ]
    | str
)
"""Colour and finish of a ring; Oura adds values with new rings."""

RingDesign: TypeAlias = Literal["heritage", "balance", "balance_diamond", "horizon", "ceramic"] | str
"""Shape of a ring."""

RingHardwareType: TypeAlias = Literal["gen1", "gen2", "gen2m", "gen3", "gen4", "or5"] | str
"""Hardware generation of a ring; Oura calls the fifth `or5`, not `gen5`."""

SleepAlgorithmVersion: TypeAlias = Literal["v1", "v2"] | str
"""Version of the algorithm that found the sleep phases."""

SleepAnalysisReason: TypeAlias = (
    Literal[
        "foreground_sleep_analysis",
        "bedtime_edit",
        "background_sleep_analysis",
        "background_created_foreground_updated",
    ]
    | str
)
"""What created the latest version of a `Sleep`: an analysis when the app was opened (foreground) or was not
open (background), or an edit of the bedtime by the wearer."""

SleepTimeRecommendation: TypeAlias = (
    Literal[
        "improve_efficiency",
        "earlier_bedtime",
        "later_bedtime",
        "earlier_wake_up_time",
        "later_wake_up_time",
        "follow_optimal_bedtime",
    ]
    | str
)
"""What Oura advises about bedtime."""

SleepTimeStatus: TypeAlias = (
    Literal[
        "not_enough_nights",
        "not_enough_recent_nights",
        "bad_sleep_quality",
        "only_recommended_found",
        "optimal_found",
    ]
    | str
)
"""Whether Oura could find an optimal bedtime, or why not; with `only_recommended_found` the document has
`recommendation` but no `optimal_bedtime`."""

SleepType: TypeAlias = Literal["deleted", "sleep", "long_sleep", "late_nap", "rest"] | str
"""Kind of sleep: `long_sleep` lasts over 3 hours and counts towards the scores without the wearer's
confirmation, `sleep` is shorter, `late_nap` ends after 18:00 and counts for the next day, `rest` is what the
wearer said was not sleep, `deleted` was removed by the wearer."""

WorkoutIntensity: TypeAlias = Literal["easy", "moderate", "hard"] | str
"""How hard a workout was."""

WorkoutSource: TypeAlias = Literal["manual", "autodetected", "confirmed", "workout_heart_rate"] | str
"""Origin of a workout: typed in, detected, detected and confirmed, or recorded with heart rate in the app."""


# --- Parts: objects inside documents ---


class Metadata(msgspec.Struct, frozen=True, kw_only=True):
    """Version of a document. Only specification 1.29 has it, so `meta` is usually None."""

    updated_at: datetime | None = None
    """When the document last changed, UTC."""

    version: int | None = None
    """Version number of the document."""


class Sample(msgspec.Struct, frozen=True, kw_only=True):
    """Measurements at a fixed interval: item `n` belongs to `timestamp` plus `n` times `interval`."""

    interval: float
    """Seconds between items: 60 for MET, 300 in sleep, 5 in sessions."""

    items: list[float | None]
    """The measurements, in the unit of the field that holds them; None where one is missing."""

    timestamp: datetime
    """When the first item was taken, local time with offset; written with milliseconds."""


class ReadinessContributors(msgspec.Struct, frozen=True, kw_only=True):
    """The parts of a readiness score, each a score from 1 to 100.

    Inside `Sleep.readiness`, 0 has been seen for a contributor that could not be measured.
    """

    activity_balance: int | None = None
    """Score for the activity of recent days, compared with the wearer's long-term average, 1 to 100."""

    body_temperature: int | None = None
    """Score for skin temperature, 1 to 100; not degrees (those are `temperature_deviation`). 0 on short
    naps."""

    hrv_balance: int | None = None
    """Score for recent heart rate variability, compared with the wearer's long-term average, 1 to 100; None
    until enough nights were measured."""

    previous_day_activity: int | None = None
    """Score for the activity of the day before, 1 to 100."""

    previous_night: int | None = None
    """Score for the sleep of the night before, 1 to 100."""

    recovery_index: int | None = None
    """Score for how early in the night the heart rate was lowest, 1 to 100; 0 on short naps."""

    resting_heart_rate: int | None = None
    """Score for resting heart rate, 1 to 100; not beats per minute. 0 on short naps."""

    sleep_balance: int | None = None
    """Score for the sleep of recent nights, compared with the wearer's need, 1 to 100."""

    sleep_regularity: int | None = None
    """Score for regular bedtimes, 1 to 100; None in answers older than specification 1.28."""


class Readiness(msgspec.Struct, frozen=True, kw_only=True):
    """Readiness computed from one `Sleep` (its field `readiness`); that of the day is `DailyReadiness`."""

    contributors: ReadinessContributors | None = None
    """The parts of the score; here 0 means that a contributor could not be measured."""

    score: int | None = None
    """Readiness score, 1 to 100."""

    temperature_deviation: float | None = None
    """Difference of the skin temperature from the wearer's baseline, degrees Celsius; often None on naps."""

    temperature_trend_deviation: float | None = None
    """`temperature_deviation` averaged over several days, degrees Celsius."""


class SleepContributors(msgspec.Struct, frozen=True, kw_only=True):
    """The parts of a daily sleep score, each a score from 1 to 100 and not a duration."""

    deep_sleep: int | None = None
    """Score for the amount of deep sleep, 1 to 100."""

    efficiency: int | None = None
    """Score for the share of time in bed spent asleep, 1 to 100."""

    latency: int | None = None
    """Score for the time it took to fall asleep, 1 to 100."""

    rem_sleep: int | None = None
    """Score for the amount of REM sleep, 1 to 100."""

    restfulness: int | None = None
    """Score for how undisturbed the sleep was, 1 to 100."""

    timing: int | None = None
    """Score for the time of day at which the wearer slept, 1 to 100."""

    total_sleep: int | None = None
    """Score for the amount of sleep, 1 to 100."""


class ActivityContributors(msgspec.Struct, frozen=True, kw_only=True):
    """The parts of an activity score, each a score from 1 to 100."""

    meet_daily_targets: int | None = None
    """Score for how often the wearer met the activity target in the last 7 days, 1 to 100."""

    move_every_hour: int | None = None
    """Score for few inactivity alerts in the last 24 hours, 1 to 100."""

    recovery_time: int | None = None
    """Score for enough recovery between workouts in the last 7 days, 1 to 100."""

    stay_active: int | None = None
    """Score for little inactive time in the last 24 hours, 1 to 100."""

    training_frequency: int | None = None
    """Score for how often the wearer exercised in the last 7 days, 1 to 100."""

    training_volume: int | None = None
    """Score for how much the wearer exercised in the last 7 days, 1 to 100."""


class ResilienceContributors(msgspec.Struct, frozen=True, kw_only=True):
    """The parts of a resilience level, each a number from 0 to 100 with one decimal."""

    sleep_recovery: float | None = None
    """Recovery during sleep, 0 to 100."""

    daytime_recovery: float | None = None
    """Recovery during the day, 0 to 100."""

    stress: float | None = None
    """Contribution of stress during the day, 0 to 100."""


class SpO2Percentage(msgspec.Struct, frozen=True, kw_only=True):
    """Blood oxygen saturation over one night."""

    average: float | None = None
    """Mean saturation, percent, usually 90 to 100; 0.0 has been seen for nights without a measurement."""


class RestModeEpisode(msgspec.Struct, frozen=True, kw_only=True):
    """The tags that the wearer entered at one moment of a rest mode period, to say how they felt."""

    tags: list[str]
    """Codes of the tags, such as `tag_generic_cold`."""

    timestamp: datetime
    """When the wearer entered the tags, local time with offset."""


class OptimalBedtime(msgspec.Struct, frozen=True, kw_only=True):
    """The times between which Oura advises to go to bed, in seconds from local midnight of the day."""

    day_tz: int
    """Offset of the day's time zone from UTC, seconds; positive east of Greenwich."""

    end_offset: int
    """Latest bedtime, seconds after local midnight; negative before midnight."""

    start_offset: int
    """Earliest bedtime, seconds after local midnight; negative before midnight."""


# --- Documents, each with an id or a day ---


class Tag(msgspec.Struct, frozen=True, kw_only=True):
    """A note of the wearer: free text and tags. Deprecated by Oura in favour of `EnhancedTag`."""

    id: str
    """Identifier of the document."""

    day: date
    """Day the note belongs to."""

    text: str | None = None
    """What the wearer wrote."""

    timestamp: datetime | None = None
    """When the wearer made the note, local time with offset."""

    tags: list[str] | None = None
    """Codes of the tags, such as `tag_generic_cold`."""


class EnhancedTag(msgspec.Struct, frozen=True, kw_only=True):
    """A tag that the wearer entered for a moment or a stretch of time.

    The document is created when the wearer enters the tag, and updated when they edit it. It has no `day`;
    lists go by `start_day`.
    """

    id: str
    """Identifier of the document."""

    tag_type_code: str | None = None
    """Code of the tag, such as `tag_generic_fasting` or `tag_sleep_latemeal`; `custom` for a tag that the
    wearer defined (see `custom_name`), None for a tag that has only a `comment`."""

    start_time: datetime
    """The moment of the tag, or the start of its stretch of time; local time with offset."""

    end_time: datetime | None = None
    """End of the stretch of time; None for a tag of one moment."""

    start_day: date
    """Day of `start_time`."""

    end_day: date | None = None
    """Day of `end_time`; None for a tag of one moment."""

    comment: str | None = None
    """Free text of the wearer; an empty string or None if they wrote nothing."""

    custom_name: str | None = None
    """Name of a tag that the wearer defined, where `tag_type_code` is `custom`."""


class Workout(msgspec.Struct, frozen=True, kw_only=True):
    """One workout or detected activity.

    The document is created when the activity is detected or entered, and updated when the wearer confirms or
    edits it.
    """

    id: str
    """Identifier of the document."""

    meta: Metadata | None = None
    """Version of the document; usually None, because only specification 1.29 has it."""

    activity: str | None = None
    """Kind of activity in lower case, such as `walking`, `running`, `swimming`; Oura may add kinds."""

    calories: float | None = None
    """Energy burned, kilocalories."""

    day: date
    """Day of the workout, in the wearer's local time."""

    distance: float | None = None
    """Distance covered, metres, printed by Oura with all digits of a 32-bit float; None for activities
    without a distance."""

    end_datetime: datetime | None = None
    """End of the workout, with an offset that may differ from that of `start_datetime`."""

    intensity: WorkoutIntensity | None = None
    """How hard the workout was."""

    label: str | None = None
    """Name that the wearer gave the workout; mostly None."""

    source: WorkoutSource | None = None
    """Whether the workout was typed in, detected, confirmed or recorded."""

    start_datetime: datetime
    """Start of the workout; usually with the local offset, sometimes in UTC."""


class Session(msgspec.Struct, frozen=True, kw_only=True):
    """A guided or unguided session in the app, which Oura also calls a moment.

    The document is created after the session has ended and the app has synced with Oura.
    """

    id: str
    """Identifier of the document."""

    meta: Metadata | None = None
    """Version of the document; usually None, because only specification 1.29 has it."""

    day: date
    """Day of the session, in the wearer's local time."""

    end_datetime: datetime | None = None
    """End of the session, local time with offset."""

    heart_rate: Sample | None = None
    """Heart rate every 5 seconds, beats per minute; None for types of session in which the ring does not
    measure, such as `breathing`."""

    heart_rate_variability: Sample | None = None
    """Heart rate variability (RMSSD) every 5 seconds, milliseconds; None for types of session in which the
    ring does not measure."""

    mood: MomentMood | None = None
    """How the wearer felt; None if they did not answer."""

    motion_count: Sample | None = None
    """Movements in each 5 seconds: a count without unit, from 0 up."""

    start_datetime: datetime
    """Start of the session, local time with offset."""

    type: MomentType | None = None
    """Kind of session."""


class Sleep(msgspec.Struct, frozen=True, kw_only=True):
    """One stretch of sleep or rest: a night or a nap, also one that the wearer has deleted.

    The document is created after the wearer opens the app, and Oura may change its scores for some days. A
    `day` can have several; a nap that ends after 18:00 local time counts for the next day. Short naps (up to
    about 38 minutes) may lack `heart_rate`, `hrv` and `average_hrv`; numbers that could not be measured are
    then 255 or 0.
    """

    id: str
    """Identifier of the document."""

    meta: Metadata | None = None
    """Version of the document; usually None, because only specification 1.29 has it."""

    average_breath: float | None = None
    """Mean breathing rate, breaths per minute, in steps of 0.125; usually 10 to 25."""

    average_heart_rate: float | None = None
    """Mean of the heart rates of every 30 seconds, beats per minute. The app shows a slightly different
    number, because it averages heart rates of every 5 minutes."""

    average_hrv: int | None = None
    """Mean heart rate variability, RMSSD in milliseconds; None on short naps."""

    awake_time: int | None = None
    """Time awake in bed, seconds."""

    bedtime_end: datetime | None = None
    """When the wearer got up, local time with offset; None while they are still in bed."""

    bedtime_start: datetime
    """When the wearer went to bed, local time with offset; often on the evening before `day`."""

    day: date
    """Day the sleep belongs to: the day of waking up, or the next day for a late nap."""

    deep_sleep_duration: int | None = None
    """Deep sleep, seconds, in steps of 30."""

    efficiency: int | None = None
    """Share of the time in bed spent asleep, percent, 1 to 100."""

    heart_rate: Sample | None = None
    """Heart rate every 5 minutes, beats per minute; None on short naps."""

    hrv: Sample | None = None
    """Heart rate variability (RMSSD) every 5 minutes, milliseconds; None on short naps."""

    latency: int | None = None
    """Time from going to bed to falling asleep, seconds."""

    light_sleep_duration: int | None = None
    """Light sleep, seconds, in steps of 30."""

    low_battery_alert: bool | None = None
    """Whether the ring warned of a low battery."""

    lowest_heart_rate: int | None = None
    """Lowest of the heart rates of every 30 seconds, beats per minute; 255 if none was measured."""

    movement_30_sec: str | None = None
    """Movement, one character per 30 seconds in bed: 1 none, 2 restless, 3 tossing and turning, 4 active."""

    period: int | None = None
    """Number of this sleep within its day, from 0; the numbers of deleted ones are not used again."""

    readiness: Readiness | None = None
    """Readiness computed from this sleep; that of the day is `DailyReadiness`."""

    readiness_score_delta: int | None = None
    """Points that this sleep added to the day's readiness score; None if it did not count."""

    rem_sleep_duration: int | None = None
    """REM sleep, seconds, in steps of 30."""

    restless_periods: int | None = None
    """Number of restless moments, from 0 to several hundred."""

    sleep_algorithm_version: SleepAlgorithmVersion | None = None
    """Version of the algorithm that found the sleep phases."""

    sleep_analysis_reason: SleepAnalysisReason | None = None
    """What created this version of the document; None in older answers."""

    sleep_phase_30_sec: str | None = None
    """Sleep phase, one character per 30 seconds: 1 deep, 2 light, 3 REM, 4 awake. Often one character shorter
    than `movement_30_sec`; None in older answers."""

    sleep_phase_5_min: str | None = None
    """Sleep phase as the ring found it, one character per 5 minutes: 1 deep, 2 light, 3 REM, 4 awake."""

    sleep_score_delta: int | None = None
    """Points that this sleep added to the day's sleep score; None if it did not count."""

    time_in_bed: int | None = None
    """Time between `bedtime_start` and `bedtime_end`, seconds."""

    total_sleep_duration: int | None = None
    """Deep, light and REM sleep together, seconds."""

    type: SleepType | None = None
    """Kind of sleep."""

    ring_id: str | None = None
    """Opaque identifier of the ring that recorded this sleep; None in older answers."""

    app_sleep_phase_5_min: str | None = None
    """Sleep phase as the app shows it, with the codes of `sleep_phase_5_min` but rarely equal to it; Oura has
    announced that it will remove this field."""


class DailySleep(msgspec.Struct, frozen=True, kw_only=True):
    """The sleep score of a day.

    Oura creates one per day, after the wearer opens the app, and may change it for some days.
    """

    id: str
    """Identifier of the document."""

    meta: Metadata | None = None
    """Version of the document; usually None, because only specification 1.29 has it."""

    contributors: SleepContributors | None = None
    """The parts of the score."""

    day: date
    """Day the score belongs to: the day of waking up."""

    score: int | None = None
    """Sleep score, 1 to 100."""

    timestamp: datetime | None = None
    """Midnight of the day, in UTC or local time depending on the age of the document. Its date may be a day
    before `day`: never derive the day from it."""


class DailyActivity(msgspec.Struct, frozen=True, kw_only=True):
    """The movement of a day, from 04:00 to 04:00 local time.

    There is one per day; today's is updated each time the app syncs. Its JSON is large, mostly because of
    `met`.
    """

    id: str
    """Identifier of the document."""

    meta: Metadata | None = None
    """Version of the document; usually None, because only specification 1.29 has it."""

    active_calories: int | None = None
    """Energy burned by moving, kilocalories."""

    average_met_minutes: float | None = None
    """Mean metabolic equivalent (MET) of the day; 1 is rest."""

    class_5_min: str | None = None
    """Activity class, one character per 5 minutes, 288 for a whole day: 0 not worn, 1 rest, 2 inactive, 3
    low, 4 medium, 5 high."""

    contributors: ActivityContributors | None = None
    """The parts of the score."""

    day: date
    """Day the activity belongs to."""

    equivalent_walking_distance: int | None = None
    """Metres the wearer would have to walk to burn the same energy."""

    high_activity_met_minutes: int | None = None
    """MET minutes of high activity."""

    high_activity_time: int | None = None
    """Time in high activity, seconds, in steps of 60."""

    inactivity_alerts: int | None = None
    """Number of reminders to move."""

    low_activity_met_minutes: int | None = None
    """MET minutes of low activity."""

    low_activity_time: int | None = None
    """Time in low activity, seconds, in steps of 60."""

    medium_activity_met_minutes: int | None = None
    """MET minutes of medium activity."""

    medium_activity_time: int | None = None
    """Time in medium activity, seconds, in steps of 60."""

    met: Sample | None = None
    """Metabolic equivalent (MET) every 60 seconds, 1,440 items for a whole day; 1 is rest, 14 a hard run."""

    meters_to_target: int | None = None
    """Metres left to the target; negative once the wearer is beyond it."""

    non_wear_time: int | None = None
    """Time in which the ring was not worn, seconds."""

    resting_time: int | None = None
    """Time at rest, sleep included, seconds."""

    score: int | None = None
    """Activity score, 1 to 100."""

    sedentary_met_minutes: int | None = None
    """MET minutes of inactive time."""

    sedentary_time: int | None = None
    """Time inactive, seconds, in steps of 60."""

    steps: int | None = None
    """Number of steps."""

    target_calories: int | None = None
    """Activity target of the day, kilocalories."""

    target_meters: int | None = None
    """Activity target of the day, metres."""

    timestamp: datetime | None = None
    """Start of the day: 04:00 local time with offset."""

    total_calories: int | None = None
    """Energy burned at rest and by moving together, kilocalories."""


class DailyReadiness(msgspec.Struct, frozen=True, kw_only=True):
    """The readiness score of a day.

    Oura creates one per day, after the wearer opens the app, and may change it for some days.
    """

    id: str
    """Identifier of the document."""

    meta: Metadata | None = None
    """Version of the document; usually None, because only specification 1.29 has it."""

    contributors: ReadinessContributors | None = None
    """The parts of the score."""

    day: date
    """Day the score belongs to."""

    score: int | None = None
    """Readiness score, 1 to 100."""

    temperature_deviation: float | None = None
    """Difference of the skin temperature from the wearer's baseline, degrees Celsius; usually -2 to 2."""

    temperature_trend_deviation: float | None = None
    """`temperature_deviation` averaged over several days, degrees Celsius; None until enough nights were
    measured."""

    timestamp: datetime | None = None
    """Midnight of the day, in UTC or local time depending on the age of the document. Its date may be a day
    before `day`: never derive the day from it."""


class DailyResilience(msgspec.Struct, frozen=True, kw_only=True):
    """The balance of the wearer's stress and recovery over recent days.

    There is one per day, once enough days were measured. It has no timestamp.
    """

    id: str
    """Identifier of the document."""

    day: date
    """Day the level belongs to."""

    contributors: ResilienceContributors | None = None
    """The parts of the level."""

    level: LongTermResilienceLevel | None = None
    """Resilience level."""


class DailyStress(msgspec.Struct, frozen=True, kw_only=True):
    """Time in stress and in recovery on one day, counted in blocks of 15 minutes.

    There is one per day; the times of today's grow each time the app syncs.
    """

    id: str
    """Identifier of the document."""

    meta: Metadata | None = None
    """Version of the document; usually None, because only specification 1.29 has it."""

    day: date
    """Day the times belong to."""

    day_summary: DailyStressSummary | None = None
    """The balance of the day's stress and recovery, in one word; None if too little was measured."""

    recovery_high: int | None = None
    """Time in high recovery, seconds, multiples of 900."""

    stress_high: int | None = None
    """Time in high stress, seconds, multiples of 900."""


class DailySpO2(msgspec.Struct, frozen=True, kw_only=True):
    """Blood oxygen during the night. There is one per day, if the ring measures it and the wearer agrees."""

    id: str
    """Identifier of the document."""

    meta: Metadata | None = None
    """Version of the document; usually None, because only specification 1.29 has it."""

    breathing_disturbance_index: int | None = None
    """Index of breathing disturbances, found from drops of the saturation, 0 to 100."""

    day: date
    """Day the night belongs to: the day of waking up."""

    spo2_percentage: SpO2Percentage | None = None
    """Saturation over the night; None if it was not measured (or an object with the average 0.0)."""


class DailyCardiovascularAge(msgspec.Struct, frozen=True, kw_only=True):
    """The estimated age of the arteries. There is one per day with enough recent nights.

    `day` identifies the document, because answers of 2024 have no `id`.
    """

    id: str | None = None
    """Identifier of the document; None in older answers."""

    meta: Metadata | None = None
    """Version of the document; usually None, because only specification 1.29 has it."""

    day: date
    """Day the estimate belongs to."""

    pulse_wave_velocity: float | None = None
    """Speed of the pulse along the arteries, metres per second, derived from the age; None in answers older
    than specification 1.34."""

    vascular_age: int | None = None
    """Estimated age, years, 18 to 100."""


class VO2Max(msgspec.Struct, frozen=True, kw_only=True):
    """An estimate of aerobic capacity. Oura does not make one every day."""

    id: str
    """Identifier of the document."""

    meta: Metadata | None = None
    """Version of the document; usually None, because only specification 1.29 has it."""

    day: date
    """Day the estimate belongs to."""

    timestamp: datetime | None = None
    """When the estimate was made, local time with offset; the document belongs to `day`."""

    vo2_max: float | None = None
    """Maximal oxygen uptake, millilitres per kilogram and minute; newer specifications say that it is a whole
    number."""


class SleepTime(msgspec.Struct, frozen=True, kw_only=True):
    """Advice on when to go to bed. Oura creates one per day, after the wearer opens the app."""

    id: str
    """Identifier of the document."""

    meta: Metadata | None = None
    """Version of the document; usually None, because only specification 1.29 has it."""

    day: date
    """Day the advice is for."""

    optimal_bedtime: OptimalBedtime | None = None
    """Times between which to go to bed; often None, because Oura could not find any."""

    recommendation: SleepTimeRecommendation | None = None
    """What Oura advises."""

    status: SleepTimeStatus | None = None
    """Whether Oura could find an optimal bedtime, or why not."""


class RestModePeriod(msgspec.Struct, frozen=True, kw_only=True):
    """A period for which the wearer turned on rest mode in the app.

    The document is created when rest mode is turned on, and updated when it is turned off. It has no `day`;
    lists go by `start_day`.
    """

    id: str
    """Identifier of the document."""

    meta: Metadata | None = None
    """Version of the document; usually None, because only specification 1.29 has it."""

    end_day: date | None = None
    """Last day of the period; None while rest mode is on."""

    end_time: datetime | None = None
    """End of the period, local time with offset; None while rest mode is on."""

    episodes: list[RestModeEpisode] | None = None
    """Tags that the wearer entered during the period; often empty."""

    start_day: date
    """First day of the period."""

    start_time: datetime | None = None
    """Start of the period, local time with offset."""


class RingConfiguration(msgspec.Struct, frozen=True, kw_only=True):
    """One ring of the wearer.

    The list has every ring that the wearer ever set up, oldest first; the one with the newest `set_up_at` is
    in use.
    """

    id: str
    """Identifier of the document."""

    meta: Metadata | None = None
    """Version of the document; usually None, because only specification 1.29 has it."""

    color: RingColor | None = None
    """Colour and finish of the ring."""

    design: RingDesign | None = None
    """Shape of the ring; None has been seen for rings of generation `gen4`."""

    firmware_version: str | None = None
    """Version of the firmware, such as `3.0.3`."""

    hardware_type: RingHardwareType | None = None
    """Hardware generation."""

    set_up_at: datetime | None = None
    """When the ring was set up, UTC; 1970-01-01 stands for unknown."""

    size: int | None = None
    """Ring size, US scale."""


# --- Samples of series: each has a timestamp, and no id ---


class HeartRate(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One heart rate sample. The ring takes one about every 5 minutes, in a workout every 5 seconds.

    Two samples of different `source` may have the same `timestamp`, so only `timestamp` and `source` together
    identify a sample.
    """

    timestamp: datetime
    """When the heart rate was measured, UTC."""

    timestamp_unix: int | None = None
    """`timestamp` in milliseconds since 1970; in the specification since 1.29, but not seen in answers of the
    live service."""

    bpm: int
    """Heart rate, beats per minute; usually 30 to 220."""

    producer_timestamp: int | None = None
    """Milliseconds since 1970. Oura has not published what it means; it has been seen hours before
    `timestamp`. Only the live service sends it, and often as null."""

    source: HeartRateSource
    """What the wearer was doing."""


class RingBatteryLevel(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One reading of the ring's battery. Specifications before 1.29 do not have this data type."""

    timestamp: datetime
    """When the battery was read, UTC."""

    timestamp_unix: int | None = None
    """`timestamp` in milliseconds since 1970; in the specification, but not seen in answers of the live
    service."""

    charging: bool | None = None
    """Whether the battery was charging."""

    in_charger: bool | None = None
    """Whether the ring lay on its charger, charging or fully charged."""

    level: int
    """Charge, percent, 0 to 100."""

    producer_timestamp: int | None = None
    """Milliseconds since 1970. Oura has not published what it means; only the live service sends it."""


class InterbeatInterval(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The time between two heartbeats. Only specification 1.29 has this data type."""

    timestamp: datetime
    """When the second of the two heartbeats was, UTC."""

    timestamp_unix: int | None = None
    """`timestamp` in milliseconds since 1970."""

    ibi: int
    """Time since the previous heartbeat, milliseconds, at most 2000."""

    producer_timestamp: int | None = None
    """Milliseconds since 1970. Oura has not published what it means; the live service sends it in the other
    two series."""

    validity: int | None = None
    """Whether to trust `ibi`: 1 good, 2 bad, 3 corrected later, 0 raw, -1 and -2 a gap without signal."""


# --- The one object of an account ---


class PersonalInfo(msgspec.Struct, frozen=True, kw_only=True):
    """The wearer of the ring. The answer is one JSON object, not a list; any field but `id` may be None."""

    id: str
    """Opaque identifier of the account; not necessarily a UUID."""

    age: int | None = None
    """Age, years."""

    weight: float | None = None
    """Weight, kilograms."""

    height: float | None = None
    """Height, metres."""

    biological_sex: str | None = None
    """Sex as entered in the app, such as `male` or `female`."""

    email: str | None = None
    """E-mail address of the account; needs the scope `email`."""
