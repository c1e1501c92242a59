"""Draws a night's sleep as text: sleep phases, heart rate, HRV and the sleep score.

It turns documents into a rich renderable, and uses no archive, terminal or clock.

Rules of this file:
* Times are shown with the UTC offset of the sleep document, not in this machine's time zone.
* A sample without a measurement is drawn as a gap: a null sample, or a heart rate of 255, which Oura writes
  in place of an unknown one.
* A column of the picture is the same interval of time in every row.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from rich.console import Group
from rich.text import Text

from ...models import DailySleep, Sample, Sleep
from ..shared.screen import duration

# All colours are among the 256 colours of common terminals. A terminal might show two others as the same one.
STAGES = {
    "4": ("awake", "#d7875f"),
    "3": ("REM", "#5fafaf"),
    "2": ("light", "#5f87d7"),
    "1": ("deep", "#5f5faf"),
}
"""The name and the colour of the row for each sleep phase, by Oura's digit; the top row first."""
ROWS = list(STAGES)
BLOCKS = "▁▂▃▄▅▆▇█"
LABEL_COLUMNS = 7
"""How many columns the names at the left of the rows take."""
NOTE_COLUMNS = 19
"""How many columns are left for the numbers at the right of the curves."""
MAX_CHART_COLUMNS = 96
MIN_CHART_COLUMNS = 16
SCORE_BAR_COLUMNS = 30

CONTRIBUTORS = {
    "deep_sleep": "Deep sleep",
    "efficiency": "Efficiency",
    "latency": "Latency",
    "rem_sleep": "REM sleep",
    "restfulness": "Restfulness",
    "timing": "Timing",
    "total_sleep": "Total sleep",
}


@dataclass(frozen=True)
class Night:
    """The sleep of one day: the night, the other sleep periods (naps), and the sleep score of the day."""

    main: Sleep
    others: Sequence[Sleep] = ()
    score: DailySleep | None = None


def is_night(sleep: Sleep) -> bool:
    """Whether a sleep document is a night's sleep (`long_sleep`), not a nap or a rest."""
    return sleep.type == "long_sleep"


def gather(sleeps: Sequence[Sleep], score: DailySleep | None = None) -> Night | None:
    """Choose the night among the sleep documents of a day: the longest `long_sleep`, else the longest sleep.

    Returns None if all the documents are marked as deleted. `score` becomes the score of the night.
    """
    real = [sleep for sleep in sleeps if sleep.type != "deleted"]
    if not real:
        return None
    main = max(real, key=lambda sleep: (is_night(sleep), seconds_in_bed(sleep)))
    return Night(main, [sleep for sleep in real if sleep is not main], score)


def picture(night: Night, width: int) -> Group:
    """Draw the picture of a night, at most `width` columns wide."""
    sleep = night.main
    columns = max(MIN_CHART_COLUMNS, min(MAX_CHART_COLUMNS, width - LABEL_COLUMNS - NOTE_COLUMNS))
    parts = [title(sleep), Text(), *hypnogram(sleep, columns), *curves(sleep, columns)]
    if night.score:
        parts += [Text(), *contributors(night.score)]
    if night.others:
        parts += [Text(), *(nap(other) for other in night.others)]
    return Group(*parts)


def seconds_in_bed(sleep: Sleep) -> float:
    """The seconds from bedtime start to bedtime end. Without an end, the time in bed or of the phases."""
    if sleep.bedtime_end:
        return (sleep.bedtime_end - sleep.bedtime_start).total_seconds()
    phases, step = stages(sleep)
    return sleep.time_in_bed or len(phases) * step


def title(sleep: Sleep) -> Text:
    """Write the title line: the day, bedtime start and end, the time asleep and the efficiency."""
    line = Text.assemble(
        ("Night of " if is_night(sleep) else "Nap on ", "bold"),
        (f"{sleep.day:%a} {sleep.day.day} {sleep.day:%b %Y}", "bold"),
    )
    line.append(f"   {bedtime(sleep)}")
    if sleep.total_sleep_duration is not None:
        line.append(f"   asleep {duration(sleep.total_sleep_duration)}")
    if sleep.efficiency is not None:
        line.append(f"   efficiency {sleep.efficiency} %")
    return line


def bedtime(sleep: Sleep) -> str:
    """Format bedtime start and end: `23:12 → 07:09 (+02:00)`, or with two UTC offsets if they differ."""
    start, end = sleep.bedtime_start, sleep.bedtime_end
    if end is None:
        return f"{start:%H:%M} ({offset(start)}) → still in progress"
    if start.utcoffset() != end.utcoffset():
        return f"{start:%H:%M} ({offset(start)}) → {end:%H:%M} ({offset(end)})"
    return f"{start:%H:%M} → {end:%H:%M} ({offset(start)})"


def offset(instant: datetime) -> str:
    """Format the UTC offset of an instant: `+02:00`, or `no zone` if it has none."""
    return instant.isoformat()[-6:] if instant.utcoffset() is not None else "no zone"


def nap(sleep: Sleep) -> Text:
    """Write a line of text for a sleep period of the day that is not the night, such as a nap."""
    slept = f"   asleep {duration(sleep.total_sleep_duration)}" if sleep.total_sleep_duration else ""
    return Text(f"also {sleep.type or 'sleep'}   {bedtime(sleep)}{slept}", style="dim")


# The hypnogram


def stages(sleep: Sleep) -> tuple[str, float]:
    """Return the sleep phases as a text of digits, and how many seconds each digit stands for."""
    if sleep.sleep_phase_30_sec:
        return sleep.sleep_phase_30_sec, 30.0
    return sleep.sleep_phase_5_min or "", 300.0


def cells(phases: str, step: float, span: float, columns: int) -> list[str]:
    """Choose the most frequent sleep phase (its digit) for each column; empty if it has no phases."""
    width = span / columns
    drawn: list[str] = []
    for column in range(columns):
        first = int(column * width / step)
        last = max(first + 1, math.ceil((column + 1) * width / step - 1e-9))
        spent = Counter(phase for phase in phases[first:last] if phase in STAGES)
        drawn.append(max(spent, key=lambda phase: spent[phase]) if spent else "")
    return drawn


def hypnogram(sleep: Sleep, columns: int) -> list[Text]:
    """Draw the hypnogram: one row of blocks for each sleep phase, and the hours below."""
    phases, step = stages(sleep)
    span = seconds_in_bed(sleep)
    if not phases or span <= 0:
        return [Text("no sleep phases in this document", style="dim")]
    drawn = cells(phases, step, span, columns)
    return [*(_row(row, drawn) for row in ROWS), hours(sleep.bedtime_start, span, columns)]


def _row(row: str, drawn: list[str]) -> Text:
    name, colour = STAGES[row]
    line = Text(f"{name:>{LABEL_COLUMNS - 1}} ", style="dim")
    before = ""
    for phase in drawn:
        if phase == row:
            line.append("█", style=f"not dim {colour}")
        elif phase and before and _between(row, before, phase):
            line.append("│", style="dim")  # connects the blocks of two phases whose rows are not adjacent
        else:
            line.append(" ")
        before = phase
    line.rstrip()
    return line


def _between(row: str, one: str, other: str) -> bool:
    return min(one, other) < row < max(one, other)


def hours(start: datetime, span: float, columns: int) -> Text:
    """Draw the axis below the hypnogram: as many full hours as fit, in the UTC offset of bedtime start."""
    per_hour = columns * 3600 / span
    every = next((step for step in (1, 2, 3, 4, 6, 12) if step * per_hour >= 7), 24)
    line = ""
    first = start.replace(minute=0, second=0, microsecond=0)
    for number in range(1, int(span // 3600) + 2):
        tick = first + timedelta(hours=number)
        column = int((tick - start).total_seconds() / span * columns)
        if tick.hour % every == 0 and len(line) <= column < columns:
            line = f"{line:<{column}}{tick:%H:%M}"
    return Text(" " * LABEL_COLUMNS + line, style="dim")


# The curves


def spread(sample: Sample, start: datetime, span: float, columns: int) -> list[float | None]:
    """The mean of the samples in each column; None for a column without measured samples."""
    ahead = (start - sample.timestamp).total_seconds()
    width = span / columns
    means: list[float | None] = []
    for column in range(columns):
        first = math.floor((ahead + column * width) / sample.interval + 1e-9)
        last = max(first + 1, math.ceil((ahead + (column + 1) * width) / sample.interval - 1e-9))
        here = [item for item in sample.items[max(first, 0) : max(last, 0)] if item is not None]
        means.append(sum(here) / len(here) if here else None)
    return means


def blocks(values: Sequence[float | None]) -> str:
    """Draw values as block characters, scaled from the lowest to the highest value. None becomes a gap."""
    known = [value for value in values if value is not None]
    if not known:
        return ""
    low, top = min(known), len(BLOCKS) - 1
    span = (max(known) - low) or 1.0
    # The difference is divided by the span first: the reciprocal of a very small span is infinite.
    return "".join(" " if value is None else BLOCKS[round((value - low) / span * top)] for value in values)


def curves(sleep: Sleep, columns: int) -> list[Text]:
    """Draw the curves of heart rate and HRV, with the lowest and average heart rate and the average HRV."""
    beats = f"lowest {_number(lowest(sleep))}  avg {_number(sleep.average_heart_rate)}"
    variability = f"avg {_number(sleep.average_hrv)} ms"
    return [
        _curve("HR", "#af5f5f", sleep.heart_rate, sleep, columns, beats),
        _curve("HRV", "#5faf87", sleep.hrv, sleep, columns, variability),
    ]


def _curve(name: str, colour: str, sample: Sample | None, sleep: Sleep, columns: int, note: str) -> Text:
    span = seconds_in_bed(sleep)
    drawn = blocks(spread(sample, sleep.bedtime_start, span, columns)) if sample and span > 0 else ""
    line = Text(f"{name:>{LABEL_COLUMNS - 1}} ", style="dim")
    if not drawn:
        return line.append("not measured")
    return line.append(f"{drawn:<{columns}}", style=f"not dim {colour}").append(f"  {note}")


def lowest(sleep: Sleep) -> float | None:
    """The lowest heart rate; None if Oura has written 255 or 0, which mean that the heart rate is unknown."""
    return sleep.lowest_heart_rate if sleep.lowest_heart_rate not in (None, 0, 255) else None


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.0f}"


# The score


def contributors(score: DailySleep) -> list[Text]:
    """Draw the sleep score of the day, and each of its contributors as a bar."""
    parts = score.contributors
    lines = [Text(f"Sleep score {_number(score.score)}", style="bold")]
    if parts is None:
        return lines
    return lines + [_bar(label, getattr(parts, name)) for name, label in CONTRIBUTORS.items()]


def _bar(label: str, value: int | None) -> Text:
    filled = round((value or 0) / 100 * SCORE_BAR_COLUMNS)
    colour = "" if value is None else "#5fd7af" if value >= 85 else "#5f87d7" if value >= 70 else "#ffaf5f"
    line = Text(f"{label:<13}")
    line.append("━" * filled, style=colour).append("─" * (SCORE_BAR_COLUMNS - filled), style="dim")
    return line.append(f"  {_number(value):>3}")
