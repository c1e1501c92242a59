"""Changes between two instants: applied to the documents of the first they give those of the second."""

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from ringlet._person.person import DOCUMENTS, Person

from ..examples import few

PEOPLE = st.builds(Person, st.integers(0, 10**6), st.sampled_from(["demo", "a"]))
MOMENTS = st.datetimes(datetime(2016, 1, 1), datetime(2050, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001
RARE = {"rest_mode_period", "vO2_max"}


def shown(person: Person, now: datetime, first: date, last: date) -> dict[tuple[str, str], bytes]:
    """All documents of the days first..last, as the cloud shows them at `now`."""
    return {
        (name, item.id): item.body
        for name in DOCUMENTS
        for item in person.documents(name, first, last, now=now)
    }


@few()
@given(PEOPLE, MOMENTS, st.timedeltas(timedelta(seconds=1), timedelta(days=12)))
def test_applied_to_one_instant_they_give_a_later_one(
    person: Person, since: datetime, span: timedelta
) -> None:
    until = since + span
    days = since.date() - timedelta(15), until.date() + timedelta(3)
    held = shown(person, since, *days)
    for one in person.changes(since, until):
        assert since < one.at <= until
        if one.body is None:
            del held[one.name, one.id]
        else:
            held[one.name, one.id] = one.body
    assert held == shown(person, until, *days)


@few()
@given(PEOPLE, MOMENTS, st.lists(st.timedeltas(timedelta(0), timedelta(days=6)), max_size=5))
def test_it_does_not_matter_where_time_is_cut(
    person: Person, since: datetime, pieces: list[timedelta]
) -> None:
    moments = [since]
    for piece in pieces:
        moments.append(moments[-1] + piece)
    parts = [one for begin, end in pairwise(moments) for one in person.changes(begin, end)]
    assert parts == list(person.changes(since, moments[-1]))
    assert [one.at for one in parts] == sorted(one.at for one in parts)


def test_a_few_tags_workouts_and_sessions_are_deleted_and_nothing_else() -> None:
    person, last = Person(), date(2026, 1, 1)
    for name, kind in DOCUMENTS.items():
        first = last - timedelta(600 if kind.deletable or name in RARE else 20)
        ever = {item.id for item in person.revisions(name, first, last)}
        left = {item.id for item in person.documents(name, first, last)}
        gone = (len(ever) - len(left)) / len(ever)
        assert left <= ever
        assert 0 < gone < 0.1 if kind.deletable else gone == 0, name


def test_a_tag_is_deleted_from_both_of_its_types_at_once() -> None:
    person = Person()
    for day in tags_deleted(person, 2022):
        since = datetime(day.year, day.month, day.day, tzinfo=UTC)
        gone = [one for one in person.changes(since, since + timedelta(5)) if one.body is None]
        old = {one.at for one in gone if one.name == "tag"}
        assert old
        assert old <= {one.at for one in gone if one.name == "enhanced_tag"}


def tags_deleted(person: Person, year: int) -> set[date]:
    """The days of the `tag` documents of a year that are deleted: some in every year of the demo person."""
    days = date(year, 1, 1), date(year, 12, 31)
    left = {item.id for item in person.documents("tag", *days)}
    gone = {item.day for item in person.revisions("tag", *days) if item.id not in left}
    assert gone
    return gone


def test_setting_up_a_ring_is_a_change() -> None:
    person = Person()
    *_, newest = person.documents("ring_configuration", date(2016, 1, 1), date(2030, 1, 1))
    found = [
        one for one in person.changes(newest.at - timedelta(1), newest.at) if one.name == "ring_configuration"
    ]
    assert [one.id for one in found] == [newest.id]
