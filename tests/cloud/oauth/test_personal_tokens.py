"""Personal access tokens: told once, good for everything, until their wearer ends them."""

from datetime import timedelta

import pytest

from ringlet._oauth.scopes import SCOPES
from ringlet.errors import UsageError


def test_a_token_reads_all_data_of_its_user_and_never_expires(live):
    token = live.cloud.grants.personal.create(live.user, "a script")
    assert token.startswith("_2XRNGLT_")
    access = live.cloud.grants.access(token)
    assert (access.user, access.scopes) == (live.user, set(SCOPES))
    live.cloud.clock.advance(timedelta(days=3650))
    for name in ("sleep", "heartrate", "ring_configuration"):
        assert live(name, token=token).status == 200


def test_a_wearer_sees_what_they_made_and_when_it_was_used_to_the_hour(live):
    personal, clock = live.cloud.grants.personal, live.cloud.clock
    token = personal.create(live.user, " a script ")
    [shown] = personal.of(live.user)
    assert (shown.note, shown.created_at, shown.used_at) == ("a script", clock.ms(), None)
    first = clock.ms()
    for minutes in (0, 59):
        clock.advance(timedelta(minutes=minutes))
        assert personal.user(token) == live.user
        assert personal.of(live.user)[0].used_at == first
    clock.advance(timedelta(minutes=1))
    personal.user(token)
    assert personal.of(live.user)[0].used_at == clock.ms()
    assert token not in repr(shown)


def test_only_its_user_revokes_a_personal_token(live):
    personal = live.cloud.grants.personal
    other = live.cloud.archive.user("other")
    token, kept = (personal.create(live.user, "") for _ in range(2))
    id = next(one.id for one in personal.of(live.user))
    assert not personal.revoke(other, id)
    for nothing in ("", "no-id", "\0"):
        assert not personal.revoke(live.user, nothing)
    assert personal.revoke(live.user, id)
    assert not personal.revoke(live.user, id)
    assert sorted([personal.user(token) is None, personal.user(kept) is None]) == [False, True]


def test_the_archive_being_held_does_not_stop_a_reader(make_cloud, tmp_path):
    live = make_cloud(path=tmp_path / "oura.db")
    token = live.cloud.grants.personal.create(live.user, "")
    with make_cloud(path=tmp_path / "oura.db").cloud.archive.transaction():
        assert live("sleep", token=token).status == 200


@pytest.mark.parametrize("note", ["x" * 201, "two\nlines", "zero\0"])
def test_a_note_is_short_and_on_one_line(live, note):
    with pytest.raises(UsageError, match="note"):
        live.cloud.grants.personal.create(live.user, note)
