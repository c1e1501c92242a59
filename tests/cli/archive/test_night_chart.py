"""The picture of a night, from made documents: no terminal, no archive."""

import io
from datetime import date, datetime, timedelta, timezone

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from rich.console import Console

from ringlet._cli.archive import night_chart as drawing
from ringlet.models import DailySleep, Sample, Sleep, SleepContributors

EAST = timezone(timedelta(hours=2))
START = datetime(2026, 11, 18, 23, 0, tzinfo=EAST)
HOURS = 8


def a_sleep(**changes):
    """Eight hours from 23:00: two each of awake, REM, light and deep."""
    given = {
        "id": "night",
        "day": date(2026, 11, 19),
        "type": "long_sleep",
        "bedtime_start": START,
        "bedtime_end": START + timedelta(hours=HOURS),
        "sleep_phase_30_sec": "4" * 240 + "3" * 240 + "2" * 240 + "1" * 240,
        "heart_rate": Sample(interval=300.0, items=[60.0] * 48 + [50.0] * 48, timestamp=START),
        "hrv": Sample(interval=300.0, items=[40.0] * 96, timestamp=START),
        "lowest_heart_rate": 49,
        "average_heart_rate": 55.4,
        "average_hrv": 40,
        "total_sleep_duration": 6 * 3600,
        "efficiency": 75,
    }
    return Sleep(**given | changes)


def drawn(night, width=66, **console):
    """What a screen of that width shows; 66 leaves 40 columns to the night, five for each hour."""
    if isinstance(night, Sleep):
        night = drawing.Night(night)
    screen = io.StringIO()
    Console(file=screen, width=width, **console).print(drawing.picture(night, width), soft_wrap=True)
    return screen.getvalue().splitlines()


def test_the_whole_picture():
    assert drawn(a_sleep()) == [
        "Night of Thu 19 Nov 2026   23:00 → 07:00 (+02:00)   asleep 6 h 00 m   efficiency 75 %",
        "",
        " awake ██████████",
        "   REM           ██████████",
        " light                     ██████████",
        "  deep                               ██████████",
        "            00:00     02:00     04:00     06:00",
        "    HR ████████████████████▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁  lowest 49  avg 55",
        "   HRV ▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁  avg 40 ms",
    ]


def test_without_30_second_phases_those_of_5_minutes_are_drawn():
    fine = a_sleep()
    coarse = a_sleep(sleep_phase_30_sec=None, sleep_phase_5_min="4" * 24 + "3" * 24 + "2" * 24 + "1" * 24)
    assert drawn(coarse) == drawn(fine)


def test_a_phase_string_one_block_short_leaves_the_end_open():
    """Recorded nights lack the last block of `sleep_phase_30_sec` about every other time."""
    assert drawn(a_sleep(sleep_phase_30_sec=a_sleep().sleep_phase_30_sec[:-1])) == drawn(a_sleep())


def test_without_any_phases_it_says_so():
    lines = drawn(a_sleep(sleep_phase_30_sec=None))
    assert lines[2] == "no sleep phases in this document"
    assert lines[3].startswith("    HR ███")


def test_nulls_are_gaps():
    items = [60.0] * 24 + [None] * 48 + [50.0] * 24
    (line,) = (
        one
        for one in drawn(a_sleep(heart_rate=Sample(interval=300.0, items=items, timestamp=START)))
        if " HR " in one
    )
    assert line[7:47] == "█" * 10 + " " * 20 + "▁" * 10


def test_samples_that_begin_late_are_drawn_where_they_were_taken():
    late = Sample(interval=300.0, items=[60.0] * 48, timestamp=START + timedelta(hours=4))
    (line,) = (one for one in drawn(a_sleep(heart_rate=late)) if " HR " in one)
    assert line[7:47] == " " * 20 + "▁" * 20


def test_a_short_nap_has_no_heart_rate_and_255_is_none():
    """Recorded naps under 38 minutes: curves null, lowest_heart_rate 255."""
    nap = a_sleep(
        type="late_nap",
        bedtime_end=START + timedelta(minutes=30),
        sleep_phase_30_sec="2" * 60,
        heart_rate=None,
        hrv=None,
        lowest_heart_rate=255,
        average_heart_rate=None,
        average_hrv=None,
        total_sleep_duration=1800,
    )
    lines = drawn(nap)
    assert lines[0].startswith("Nap on Thu 19 Nov 2026   23:00 → 23:30 (+02:00)   asleep 30 m")
    assert lines[-2:] == ["    HR not measured", "   HRV not measured"]
    assert "255" not in "\n".join(lines)


def test_curves_without_one_known_value_are_not_measured():
    silent = Sample(interval=300.0, items=[None] * 96, timestamp=START)
    assert "    HR not measured" in drawn(a_sleep(heart_rate=silent))


def test_lowest_255_beside_a_curve_is_left_out():
    assert any("lowest -  avg 55" in line for line in drawn(a_sleep(lowest_heart_rate=255)))


def test_a_traveller_is_told_both_offsets():
    landed = (START + timedelta(hours=HOURS)).astimezone(timezone(timedelta(hours=9)))
    assert "23:00 (+02:00) → 14:00 (+09:00)" in drawn(a_sleep(bedtime_end=landed))[0]


def test_a_night_in_progress():
    going_on = a_sleep(bedtime_end=None, time_in_bed=HOURS * 3600)
    assert "23:00 (+02:00) → still in progress" in drawn(going_on)[0]
    assert drawn(going_on)[2:] == drawn(a_sleep())[2:]


def test_a_jump_over_a_row_is_joined():
    lines = drawn(a_sleep(sleep_phase_30_sec="1" * 480 + "4" * 480))
    assert lines[2] == " awake " + " " * 20 + "█" * 20
    assert lines[3] == "   REM " + " " * 20 + "│"
    assert lines[4] == " light " + " " * 20 + "│"


def test_half_past_zones_put_the_hours_in_their_place():
    start = START.astimezone(timezone(timedelta(hours=5, minutes=30)))  # 02:30 there
    axis = drawn(a_sleep(bedtime_start=start, bedtime_end=start + timedelta(hours=HOURS)))[6]
    assert axis[7:] == " " * 7 + "04:00     06:00     08:00     10:00"


def test_the_score_and_what_it_is_made_of():
    score = DailySleep(
        id="score",
        day=date(2026, 11, 19),
        score=82,
        contributors=SleepContributors(deep_sleep=50, efficiency=100, timing=None),
    )
    lines = drawn(drawing.Night(a_sleep(), score=score))
    assert "Sleep score 82" in lines
    assert "Deep sleep   " + "━" * 15 + "─" * 15 + "   50" in lines
    assert "Efficiency   " + "━" * 30 + "  100" in lines
    assert "Timing       " + "─" * 30 + "    -" in lines


def test_the_night_is_the_longest_long_sleep_and_the_rest_is_told_in_a_line():
    nap = a_sleep(id="nap", type="sleep", bedtime_end=START + timedelta(hours=9), total_sleep_duration=1200)
    gone = a_sleep(id="gone", type="deleted")
    short = a_sleep(id="short", bedtime_end=START + timedelta(hours=4))
    night = drawing.gather([nap, gone, short, a_sleep()])
    assert night.main.id == "night"
    assert [other.id for other in night.others] == ["nap", "short"]
    assert "also sleep   23:00 → 08:00 (+02:00)   asleep 20 m" in drawn(night)
    assert drawing.gather([nap]).main.id == "nap"
    assert drawing.gather([gone]) is None


def test_colours_are_distinct_on_a_terminal_of_256():
    lines = "\n".join(
        drawn(a_sleep(), force_terminal=True, color_system="256", legacy_windows=False, _environ={})
    )
    codes = {code for code in ("38;5;173m", "38;5;73m", "38;5;68m", "38;5;61m") if code in lines}
    assert len(codes) == 4


@given(
    st.text("1234 x", max_size=300),
    st.lists(st.none() | st.floats(30, 220), max_size=60),
    st.integers(0, 200),
    st.integers(0, 50_000),
)
def test_whatever_the_document_holds_the_picture_fits(phases, items, width, seconds):
    sleep = a_sleep(
        sleep_phase_30_sec=phases,
        heart_rate=Sample(interval=300.0, items=items, timestamp=START - timedelta(minutes=7)),
        bedtime_end=START + timedelta(seconds=seconds),
        time_in_bed=None,
    )
    wide = max(width, drawing.LABEL_COLUMNS + drawing.MIN_CHART_COLUMNS + drawing.NOTE_COLUMNS)
    lines = drawn(sleep, width=wide)
    assert all(len(line) <= wide + 4 for line in lines[2:])  # the last hour may reach into the margin


@given(st.lists(st.none() | st.floats(0, 300), max_size=50))
@example([5e-324, 0.0])
def test_blocks_keep_the_order_of_values(values):
    drawn_blocks = drawing.blocks(values)
    known = [(value, block) for value, block in zip(values, drawn_blocks, strict=False) if value is not None]
    assert sorted(known) == sorted(known, key=lambda pair: (drawing.BLOCKS.index(pair[1]), pair[0]))
    assert all(block == " " for value, block in zip(values, drawn_blocks, strict=False) if value is None)


@pytest.mark.parametrize("columns", [16, 40, 96])
def test_cells_cover_the_span_evenly(columns):
    cells = drawing.cells("1" * 480 + "4" * 480, 30.0, 8 * 3600, columns)
    assert cells == ["1"] * (columns // 2) + ["4"] * (columns // 2)
