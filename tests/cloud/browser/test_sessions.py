"""Sessions and tickets, by hand: on the cloud's clock, in a real database."""

import threading
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ringlet._cloud.browser.sessions import Session, Sessions, form_token, new_cookie
from ringlet.archive import Archive
from ringlet.cloud import Clock

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture
def sessions():
    with Archive.open(":memory:") as archive:
        yield Sessions(archive, Clock(NOW))


def test_a_session_lasts_twelve_hours_and_not_a_moment_longer(sessions):
    cookie = sessions.begin(7)
    sessions.clock.advance(timedelta(hours=12, milliseconds=-1))
    assert sessions.find(cookie) == Session(7)
    sessions.clock.advance(timedelta(milliseconds=1))
    assert sessions.find(cookie) is None


@pytest.mark.parametrize("then", ["a former passphrase", None])
@pytest.mark.parametrize("now", ["a passphrase", None])
def test_another_passphrase_ends_the_sessions_that_were_let_in_without_it(sessions, now, then):
    """Nor does a cookie of a cloud that asked for none open one that asks."""
    before, after = (Sessions(sessions.archive, sessions.clock, one) for one in (then, now))
    cookie = before.begin(7)
    assert before.find(cookie) == Session(7)
    assert after.find(cookie) == (Session(7) if not then and not now else None)


def test_a_new_sign_in_ends_the_previous_session(sessions):
    first = sessions.begin(None)
    second = sessions.begin(7, instead_of=first)
    assert first != second
    assert sessions.find(first) is None
    assert sessions.find(second) == Session(7)
    sessions.end(second)
    assert sessions.find(second) is None


def test_sessions_that_are_over_are_forgotten(sessions):
    for _ in range(3):
        sessions.begin(7)
        sessions.clock.advance(timedelta(hours=13))
    sessions.begin(7)
    assert sessions.db.one("SELECT count(*) FROM oauth_sessions") == (1,)


def test_no_cookie_and_no_ticket_is_stored(tmp_path):
    with Archive.open(tmp_path / "a.db") as archive:
        sessions = Sessions(archive, Clock(NOW))
        cookie = sessions.begin(7)
        ticket = sessions.ticket(cookie, "here")
        assert sessions.spend(ticket, cookie, "here")
        stored = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert cookie.encode() not in stored
    assert ticket.rpartition(".")[2].encode() not in stored


def test_a_ticket_works_once_for_its_cookie_and_purpose(sessions):
    cookie, other = new_cookie(), new_cookie()
    ticket = sessions.ticket(cookie, "here")
    assert not sessions.spend(ticket, other, "here")
    assert not sessions.spend(ticket, cookie, "there")
    assert sessions.spend(ticket, cookie, "here")
    assert not sessions.spend(ticket, cookie, "here")


def test_spent_tickets_are_remembered_for_as_long_as_they_would_work(sessions):
    cookie = new_cookie()
    ticket = sessions.ticket(cookie, "here")
    assert sessions.spend(ticket, cookie, "here")
    sessions.clock.advance(timedelta(minutes=59))
    assert sessions.spend(sessions.ticket(cookie, "here"), cookie, "here")
    assert not sessions.spend(ticket, cookie, "here")
    sessions.clock.advance(timedelta(minutes=2))
    assert sessions.spend(sessions.ticket(cookie, "here"), cookie, "here")
    assert sessions.db.one("SELECT count(*) FROM oauth_tickets") == (2,)


@given(st.text(max_size=90), st.booleans())
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_nothing_but_a_ticket_is_a_ticket(sessions, text, signed):
    """Not even one that somebody signed with a cookie of their own, for ever or for a time long gone."""
    cookie = new_cookie()
    forged = f"{text}.{form_token(cookie, f'{text} here')}" if signed else text
    assert not sessions.spend(forged, cookie, "here")


@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
def test_of_many_who_spend_one_ticket_at_once_one_succeeds(request, tmp_path, database):
    path = tmp_path / "a.db" if database == "sqlite" else request.getfixturevalue("postgres")
    cookie = new_cookie()
    with Archive.open(path) as archive:
        ticket = Sessions(archive, Clock(NOW)).ticket(cookie, "here")
    spent, start = [], threading.Barrier(8)

    def spend():
        with Archive.open(path) as archive:
            sessions = Sessions(archive, Clock(NOW))
            start.wait()
            spent.append(sessions.spend(ticket, cookie, "here"))

    threads = [threading.Thread(target=spend) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(spent) == [False] * 7 + [True]
