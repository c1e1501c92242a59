"""The documents of the Oura API v2, in Oura's own words.

One Struct per data type, one field per key, named and ordered as on the wire. This file holds data only: no
I/O, no derived values, no opinion about what a number means for a person.

The rules every model follows:

* The fields are the union of the published specifications (1.27, 1.29, 1.37) and of what live answers carry,
  so old archives and new answers decode alike.
* Required are only the anchors that place a document (its `id`, its day, its start, a row's `timestamp`) and
  the value a sample row exists for. Anything else may be null or younger than the answer; it is then None.
* Enums are open: the known values complete in an editor, a value added tomorrow decodes as the string it is.
* Unknown keys are ignored here. Nothing is lost by that: storage keeps the documents as they came, never
  through these models.
* Timestamps keep the offset they came with. Some arrive without one and stay naive: check `tzinfo` before
  comparing.
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

# --- Enums: the known values of every specification, and any other string ---

DailyStressSummary: TypeAlias = Literal["restored", "normal", "stressful"] | str
"""How a day's stress and recovery balanced out."""

HeartRateSource: TypeAlias = Literal["awake", "workout", "rest", "sleep", "live", "session"] | str
"""What the wearer was doing when a heart rate was taken; `live` is a measurement asked for in the app."""

LongTermResilienceLevel: TypeAlias = Literal["limited", "adequate", "solid", "strong", "exceptional"] | str
"""Resilience, from lowest to highest."""

MomentMood: TypeAlias = Literal["bad", "worse", "same", "good", "great"] | str
"""How the wearer felt after a session, in their own answer."""

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
"""Finish of a ring; grows with every collection."""

RingDesign: TypeAlias = Literal["heritage", "balance", "balance_diamond", "horizon", "ceramic"] | str
"""Shape of a ring."""

RingHardwareType: TypeAlias = Literal["gen1", "gen2", "gen2m", "gen3", "gen4", "or5"] | str
"""Hardware generation of a ring; the fifth breaks the naming scheme."""

SleepAlgorithmVersion: TypeAlias = Literal["v1", "v2"] | str
"""Generation of the sleep staging algorithm."""

SleepAnalysisReason: TypeAlias = (
    Literal[
        "foreground_sleep_analysis",
        "bedtime_edit",
        "background_sleep_analysis",
        "background_created_foreground_updated",
    ]
    | str
)
"""What led to the latest version of a sleep: the app being opened, an edit by hand, or work in the
background."""

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
"""How far Oura got in finding a bedtime; with `only_recommended_found` there is advice but no window."""

SleepType: TypeAlias = Literal["deleted", "sleep", "long_sleep", "late_nap", "rest"] | str
"""Kind of sleep: `long_sleep` lasts over 3 hours and counts unasked, `sleep` is a shorter stretch or nap,
`late_nap` ends after 18:00 and counts for the next day, `rest` was denied to be sleep, `deleted` was removed
by the wearer."""

WorkoutIntensity: TypeAlias = Literal["easy", "moderate", "hard"] | str
"""How hard a workout was."""

WorkoutSource: TypeAlias = Literal["manual", "autodetected", "confirmed", "workout_heart_rate"] | str
"""How a workout came to be known: typed in, detected, detected and confirmed, or recorded with heart rate."""


# --- Parts: what documents are made of ---


class Metadata(msgspec.Struct, frozen=True, kw_only=True):
    """Bookkeeping of a document. Specified in 1.29 only and gone since: expect None in its place."""

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
    """What a readiness score is made of: scores from 1 to 100.

    Inside `Sleep.readiness` a contributor that could not be measured has been recorded as 0.
    """

    activity_balance: int | None = None
    """Activity of recent days against the longer habit, 1 to 100."""

    body_temperature: int | None = None
    """Score for skin temperature, 1 to 100; not degrees (those are `temperature_deviation`). 0 on short
    naps."""

    hrv_balance: int | None = None
    """Recent heart rate variability against the longer habit, 1 to 100; None until enough nights are
    known."""

    previous_day_activity: int | None = None
    """Activity of the day before, 1 to 100."""

    previous_night: int | None = None
    """Sleep of the night before, 1 to 100."""

    recovery_index: int | None = None
    """How early in the night the heart rate settled, 1 to 100; 0 on short naps."""

    resting_heart_rate: int | None = None
    """Score for resting heart rate, 1 to 100; not beats per minute. 0 on short naps."""

    sleep_balance: int | None = None
    """Sleep of recent nights against the need, 1 to 100."""

    sleep_regularity: int | None = None
    """How regular bedtimes are, 1 to 100; came with specification 1.28, absent from older answers."""


class Readiness(msgspec.Struct, frozen=True, kw_only=True):
    """Readiness as one sleep saw it (`Sleep.readiness`); the day's own is `DailyReadiness`."""

    contributors: ReadinessContributors | None = None
    """What the score is made of; here 0 stands for what could not be measured."""

    score: int | None = None
    """Readiness, 1 to 100."""

    temperature_deviation: float | None = None
    """Skin temperature against the wearer's baseline, degrees Celsius; often None on naps."""

    temperature_trend_deviation: float | None = None
    """The same over several days, degrees Celsius."""


class SleepContributors(msgspec.Struct, frozen=True, kw_only=True):
    """What a daily sleep score is made of: scores from 1 to 100, none of them a duration."""

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
    """Score for when in the day the sleep fell, 1 to 100."""

    total_sleep: int | None = None
    """Score for the amount of sleep, 1 to 100."""


class ActivityContributors(msgspec.Struct, frozen=True, kw_only=True):
    """What an activity score is made of: scores from 1 to 100."""

    meet_daily_targets: int | None = None
    """How often the activity target was met in the last 7 days, 1 to 100."""

    move_every_hour: int | None = None
    """How few inactivity alerts came in the last 24 hours, 1 to 100."""

    recovery_time: int | None = None
    """Migrations for recovery in the last 7 days, 1 to 100."""

    stay_active: int | None = None
    """How little of the last 24 hours was spent inactive, 1 to 100."""

    training_frequency: int | None = None
    """How often the wearer exercised in the last 7 days, 1 to 100."""

    training_volume: int | None = None
    """How much the wearer exercised in the last 7 days, 1 to 100."""


class ResilienceContributors(msgspec.Struct, frozen=True, kw_only=True):
    """What a resilience level is made of: 0 to 100 each, one decimal."""

    sleep_recovery: float | None = None
    """Recovery during sleep, 0 to 100."""

    daytime_recovery: float | None = None
    """Recovery during the day, 0 to 100."""

    stress: float | None = None
    """Contribution of daytime stress, 0 to 100."""


class SpO2Percentage(msgspec.Struct, frozen=True, kw_only=True):
    """Blood oxygen saturation over one night."""

    average: float | None = None
    """Mean saturation, percent, usually 90 to 100; recorded answers show 0.0 for a night without a result."""


class RestModeEpisode(msgspec.Struct, frozen=True, kw_only=True):
    """One entry in a rest mode period: how the wearer described it at one moment."""

    tags: list[str]
    """Codes of the chosen tags, such as `tag_generic_cold`."""

    timestamp: datetime
    """When the tags were chosen, local time with offset."""


class OptimalBedtime(msgspec.Struct, frozen=True, kw_only=True):
    """A window for going to bed, as seconds around the midnight of its day."""

    day_tz: int
    """Offset of the day's time zone from UTC, seconds; positive east of Greenwich."""

    end_offset: int
    """End of the window, seconds after local midnight; negative before it."""

    start_offset: int
    """Start of the window, seconds after local midnight; negative before it."""


# --- Documents: what happened ---


class Tag(msgspec.Struct, frozen=True, kw_only=True):
    """A note of the older kind: free text with tags.

    Appears when the wearer writes one; `EnhancedTag` succeeds it.
    """

    id: str
    """Identifier of the document."""

    day: date
    """Day the note belongs to."""

    text: str | None = None
    """What the wearer wrote."""

    timestamp: datetime | None = None
    """When the note was made, local time with offset."""

    tags: list[str] | None = None
    """Codes of the chosen tags."""


class EnhancedTag(msgspec.Struct, frozen=True, kw_only=True):
    """A tag with a moment or a duration. Appears when the wearer sets one, changes when they edit it.

    Has no `day`: it is filed under `start_day`.
    """

    id: str
    """Identifier of the document."""

    tag_type_code: str | None = None
    """Code of the tag, such as `tag_generic_fasting` or `tag_sleep_latemeal`; `custom` for the wearer's own
    kind, None for a tag of text alone."""

    start_time: datetime
    """When it happened, or began if it lasted; local time with offset."""

    end_time: datetime | None = None
    """When it ended; None for a moment."""

    start_day: date
    """Day it happened or began."""

    end_day: date | None = None
    """Day it ended; None for a moment."""

    comment: str | None = None
    """Free text; both an empty string and None mean there is none."""

    custom_name: str | None = None
    """Name of the wearer's own kind of tag, where `tag_type_code` is `custom`."""


class Workout(msgspec.Struct, frozen=True, kw_only=True):
    """One workout or detected activity.

    Appears when detected or entered, changes when confirmed or edited.
    """

    id: str
    """Identifier of the document."""

    meta: Metadata | None = None
    """Bookkeeping, where a specification 1.29 answer has it."""

    activity: str | None = None
    """Kind of activity in lower case, such as `walking`, `running`, `swimming`; an open list."""

    calories: float | None = None
    """Energy burned, kilocalories."""

    day: date
    """Day of the workout, local."""

    distance: float | None = None
    """Distance covered, metres, with all the digits of a 32-bit float; None where it does not apply."""

    end_datetime: datetime | None = None
    """End; its offset may differ from that of the start within one document."""

    intensity: WorkoutIntensity | None = None
    """How hard it was."""

    label: str | None = None
    """Name given by the wearer; mostly None."""

    source: WorkoutSource | None = None
    """How the workout came to be known."""

    start_datetime: datetime
    """Start; usually with the local offset, sometimes in UTC."""


class Session(msgspec.Struct, frozen=True, kw_only=True):
    """A guided or unguided session in the app (Oura also says Moment).

    Appears when it ends and the app has synced.
    """

    id: str
    """Identifier of the document."""

    meta: Metadata | None = None
    """Bookkeeping, where a specification 1.29 answer has it."""

    day: date
    """Day of the session, local."""

    end_datetime: datetime | None = None
    """End, local time with offset."""

    heart_rate: Sample | None = None
    """Heart rate every 5 seconds, beats per minute; None for kinds that do not measure, breathing among
    them."""

    heart_rate_variability: Sample | None = None
    """Heart rate variability (RMSSD) every 5 seconds, milliseconds; None for kinds that do not measure."""

    mood: MomentMood | None = None
    """How the wearer felt; None when not answered."""

    motion_count: Sample | None = None
    """Movement every 5 seconds, a count without unit, from 0 up."""

    start_datetime: datetime
    """Start, local time with offset."""

    type: MomentType | None = None
    """Kind of session."""


class Sleep(msgspec.Struct, frozen=True, kw_only=True):
    """One stretch of sleep or rest: a night, a nap, or one that was deleted.

    Appears after the wearer opens the app, and its scores may be revised for days. Several may share a
    `day`; those ending after 18:00 local count for the next one. Short naps (up to about 38 minutes) may lack
    `heart_rate`, `hrv` and `average_hrv`, and then show 255 and 0 where a number could not be found.
    """

    id: str
    """Identifier of the document."""

    meta: Metadata | None = None
    """Bookkeeping, where a specification 1.29 answer has it."""

    average_breath: float | None = None
    """Mean breathing rate, breaths per minute, in steps of 0.125; usually 10 to 25."""

    average_heart_rate: float | None = None
    """Mean heart rate, beats per minute, from 30-second values: the app averages 5-minute values and shows
    another."""

    average_hrv: int | None = None
    """Mean heart rate variability, RMSSD in milliseconds; None on short naps."""

    awake_time: int | None = None
    """Time awake in bed, seconds."""

    bedtime_end: datetime | None = None
    """When the stretch ended, local time with offset; None while it is in progress."""

    bedtime_start: datetime
    """When the stretch began, local time with offset; often on the evening before `day`."""

    day: date
    """Day the sleep belongs to: the day of waking, or the one after for a late nap."""

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
    """Lowest heart rate, beats per minute, from 30-second values; 255 where no heart rate was measured."""

    movement_30_sec: str | None = None
    """Movement, one character per 30 seconds in bed: 1 none, 2 restless, 3 tossing and turning, 4 active."""

    period: int | None = None
    """Number of the stretch within its day, from 0; gaps remain where stretches were deleted."""

    readiness: Readiness | None = None
    """Readiness as this stretch saw it; not the day's."""

    readiness_score_delta: int | None = None
    """Points this stretch added to the day's readiness score; None where it did not count."""

    rem_sleep_duration: int | None = None
    """REM sleep, seconds, in steps of 30."""

    restless_periods: int | None = None
    """Number of restless moments, from 0 to several hundred."""

    sleep_algorithm_version: SleepAlgorithmVersion | None = None
    """Which generation of the staging algorithm was used."""

    sleep_analysis_reason: SleepAnalysisReason | None = None
    """What led to this version of the document; absent from older answers."""

    sleep_phase_30_sec: str | None = None
    """Sleep phase, one character per 30 seconds: 1 deep, 2 light, 3 REM, 4 awake. Often one character shorter
    than `movement_30_sec`; absent from older answers."""

    sleep_phase_5_min: str | None = None
    """Sleep phase as the ring staged it, one character per 5 minutes: 1 deep, 2 light, 3 REM, 4 awake."""

    sleep_score_delta: int | None = None
    """Points this stretch added to the day's sleep score; None where it did not count."""

    time_in_bed: int | None = None
    """Time between `bedtime_start` and `bedtime_end`, seconds."""

    total_sleep_duration: int | None = None
    """Deep, light and REM sleep together, seconds."""

    type: SleepType | None = None
    """Kind of sleep."""

    ring_id: str | None = None
    """Opaque identifier of the ring that recorded it; absent from older answers."""

    app_sleep_phase_5_min: str | None = None
    """Sleep phase as the app draws it, coded like `sleep_phase_5_min` but rarely equal to it; announced to go
    away."""


class DailySleep(msgspec.Struct, frozen=True, kw_only=True):
    """The sleep score of a day.

    One per day, after the wearer opens the app; may be revised for days after.
    """

    id: str
    """Identifier of the document."""

    meta: Metadata | None = None
    """Bookkeeping, where a specification 1.29 answer has it."""

    contributors: SleepContributors | None = None
    """What the score is made of."""

    day: date
    """Day the score belongs to: that of waking."""

    score: int | None = None
    """Sleep score, 1 to 100."""

    timestamp: datetime | None = None
    """Midnight of the day, in UTC or local time depending on the age of the document. Its date may be a day
    before `day`: never derive the day from it."""


class DailyActivity(msgspec.Struct, frozen=True, kw_only=True):
    """The movement of a day, from 04:00 to 04:00 local. One per day; today's changes with every sync.

    Lists of these are large: `met` alone is most of the bytes.
    """

    id: str
    """Identifier of the document."""

    meta: Metadata | None = None
    """Bookkeeping, where a specification 1.29 answer has it."""

    active_calories: int | None = None
    """Energy burned by moving, kilocalories."""

    average_met_minutes: float | None = None
    """Mean metabolic equivalent (MET) over the day; 1 is rest."""

    class_5_min: str | None = None
    """Activity class, one character per 5 minutes, 288 for a whole day: 0 not worn, 1 rest, 2 inactive, 3
    low, 4 medium, 5 high."""

    contributors: ActivityContributors | None = None
    """What the score is made of."""

    day: date
    """Day the activity belongs to."""

    equivalent_walking_distance: int | None = None
    """Distance that would burn the same walking, metres."""

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
    """Metres left to the target; negative once it is passed."""

    non_wear_time: int | None = None
    """Time the ring was off, seconds."""

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
    """Target of the day, kilocalories."""

    target_meters: int | None = None
    """Target of the day, metres."""

    timestamp: datetime | None = None
    """Start of the day: 04:00 local time with offset."""

    total_calories: int | None = None
    """Energy burned in all, at rest and moving, kilocalories."""


class DailyReadiness(msgspec.Struct, frozen=True, kw_only=True):
    """The readiness score of a day.

    One per day, after the wearer opens the app; may be revised for days after.
    """

    id: str
    """Identifier of the document."""

    meta: Metadata | None = None
    """Bookkeeping, where a specification 1.29 answer has it."""

    contributors: ReadinessContributors | None = None
    """What the score is made of."""

    day: date
    """Day the score belongs to."""

    score: int | None = None
    """Readiness score, 1 to 100."""

    temperature_deviation: float | None = None
    """Skin temperature against the wearer's baseline, degrees Celsius; usually within 2 of zero."""

    temperature_trend_deviation: float | None = None
    """The same over several days, degrees Celsius; None until enough nights are known."""

    timestamp: datetime | None = None
    """Midnight of the day, in UTC or local time depending on the age of the document. Its date may be a day
    before `day`: never derive the day from it."""


class DailyResilience(msgspec.Struct, frozen=True, kw_only=True):
    """How well stress and recovery have balanced of late. One per day, once enough days are known.

    Has no timestamp.
    """

    id: str
    """Identifier of the document."""

    day: date
    """Day the level belongs to."""

    contributors: ResilienceContributors | None = None
    """What the level is made of."""

    level: LongTermResilienceLevel | None = None
    """Resilience level."""


class DailyStress(msgspec.Struct, frozen=True, kw_only=True):
    """Time in stress and in recovery on one day. One per day; today's grows with every sync.

    Counted in blocks of 15 minutes: the times are multiples of 900 seconds.
    """

    id: str
    """Identifier of the document."""

    meta: Metadata | None = None
    """Bookkeeping, where a specification 1.29 answer has it."""

    day: date
    """Day the times belong to."""

    day_summary: DailyStressSummary | None = None
    """The day in a word; None where there was too little to tell."""

    recovery_high: int | None = None
    """Time in high recovery, seconds, multiples of 900."""

    stress_high: int | None = None
    """Time in high stress, seconds, multiples of 900."""


class DailySpO2(msgspec.Struct, frozen=True, kw_only=True):
    """Blood oxygen during the night. One per day, for rings that measure it and wearers who let it."""

    id: str
    """Identifier of the document."""

    meta: Metadata | None = None
    """Bookkeeping, where a specification 1.29 answer has it."""

    breathing_disturbance_index: int | None = None
    """Breathing disturbances found in the drops of saturation, 0 to 100."""

    day: date
    """Day the night belongs to: that of waking."""

    spo2_percentage: SpO2Percentage | None = None
    """Saturation over the night; None where nothing was measured, though an average of 0.0 occurs too."""


class DailyCardiovascularAge(msgspec.Struct, frozen=True, kw_only=True):
    """The estimated age of the arteries. One per day with enough recent nights.

    The `day` tells documents apart: answers recorded in 2024 carried no `id`.
    """

    id: str | None = None
    """Identifier of the document; None in older answers."""

    meta: Metadata | None = None
    """Bookkeeping, where a specification 1.29 answer has it."""

    day: date
    """Day the estimate belongs to."""

    pulse_wave_velocity: float | None = None
    """Speed of the pulse along the arteries, metres per second, derived from the age; came with specification
    1.34."""

    vascular_age: int | None = None
    """Estimated age, years, 18 to 100."""


class VO2Max(msgspec.Struct, frozen=True, kw_only=True):
    """An estimate of aerobic capacity. Appears when an estimate is made, not every day."""

    id: str
    """Identifier of the document."""

    meta: Metadata | None = None
    """Bookkeeping, where a specification 1.29 answer has it."""

    day: date
    """Day the estimate belongs to."""

    timestamp: datetime | None = None
    """When the estimate was made, local time with offset; the day is `day`."""

    vo2_max: float | None = None
    """Maximal oxygen uptake, millilitres per kilogram and minute; a fraction in older specifications, whole
    since."""


class SleepTime(msgspec.Struct, frozen=True, kw_only=True):
    """Advice on when to go to bed. One per day, after the wearer opens the app."""

    id: str
    """Identifier of the document."""

    meta: Metadata | None = None
    """Bookkeeping, where a specification 1.29 answer has it."""

    day: date
    """Day the advice is for."""

    optimal_bedtime: OptimalBedtime | None = None
    """The window to go to bed in, seconds around midnight; None where none was found, which is common."""

    recommendation: SleepTimeRecommendation | None = None
    """What Oura advises."""

    status: SleepTimeStatus | None = None
    """How far Oura got in finding a window."""


class RestModePeriod(msgspec.Struct, frozen=True, kw_only=True):
    """A period in which the wearer rested on purpose. Appears when it begins, changes when it ends.

    Has no `day`: it is filed under `start_day`.
    """

    id: str
    """Identifier of the document."""

    meta: Metadata | None = None
    """Bookkeeping, where a specification 1.29 answer has it."""

    end_day: date | None = None
    """Last day; None while it lasts."""

    end_time: datetime | None = None
    """When it ended, local time with offset; None while it lasts, and equal to the start if ended at once."""

    episodes: list[RestModeEpisode] | None = None
    """What the wearer noted along the way; often empty."""

    start_day: date
    """First day."""

    start_time: datetime | None = None
    """When it began, local time with offset."""


class RingConfiguration(msgspec.Struct, frozen=True, kw_only=True):
    """One ring of the wearer.

    Every ring they ever had, oldest first: the newest `set_up_at` is the one in use.
    """

    id: str
    """Identifier of the document."""

    meta: Metadata | None = None
    """Bookkeeping, where a specification 1.29 answer has it."""

    color: RingColor | None = None
    """Finish of the ring."""

    design: RingDesign | None = None
    """Shape of the ring; None seen on gen4."""

    firmware_version: str | None = None
    """Version of the firmware, such as `3.0.3`."""

    hardware_type: RingHardwareType | None = None
    """Hardware generation."""

    set_up_at: datetime | None = None
    """When the ring was set up, UTC; 1970-01-01 stands for unknown."""

    size: int | None = None
    """Ring size, US scale."""


# --- Series: rows by the instant ---


class HeartRate(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One heart rate. About every 5 minutes by day, every 5 seconds in a workout.

    Two rows may share a `timestamp` with different sources: only the pair of both tells rows apart.
    """

    timestamp: datetime
    """When it was taken, UTC."""

    timestamp_unix: int | None = None
    """The same in milliseconds since 1970; specified since 1.29, not seen in live answers."""

    bpm: int
    """Heart rate, beats per minute; usually 30 to 220."""

    producer_timestamp: int | None = None
    """Milliseconds since 1970, meaning unpublished: seen hours before `timestamp`. Live answers only, often
    None."""

    source: HeartRateSource
    """What the wearer was doing."""


class RingBatteryLevel(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One reading of the ring's battery; came with specification 1.29."""

    timestamp: datetime
    """When it was read, UTC."""

    timestamp_unix: int | None = None
    """The same in milliseconds since 1970; specified, not seen in live answers."""

    charging: bool | None = None
    """Whether the battery was charging."""

    in_charger: bool | None = None
    """Whether the ring lay on its charger, full or not."""

    level: int
    """Charge, percent, 0 to 100."""

    producer_timestamp: int | None = None
    """Milliseconds since 1970, meaning unpublished; live answers only."""


class InterbeatInterval(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The time between two heartbeats; specified in 1.29 only."""

    timestamp: datetime
    """When the beat fell, UTC."""

    timestamp_unix: int | None = None
    """The same in milliseconds since 1970."""

    ibi: int
    """Time since the beat before, milliseconds, at most 2000."""

    producer_timestamp: int | None = None
    """Milliseconds since 1970, meaning unpublished; known from live rows of the other series."""

    validity: int | None = None
    """Whether to trust it: 1 good, 2 bad, 3 corrected afterwards, 0 raw, -1 and -2 a gap without signal."""


# --- Single: one per account ---


class PersonalInfo(msgspec.Struct, frozen=True, kw_only=True):
    """Who wears the ring. One bare object per account, not a list; any part but the `id` may be None."""

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
