"""Scopes: one name each, however they are spelled."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringlet._oauth.scopes import SCOPES, scope_name, scope_set, scope_text


def test_the_eleven_scopes_of_the_portal() -> None:
    assert len(SCOPES) == 11


@pytest.mark.parametrize(
    ("written", "name"),
    [
        ("daily", "daily"),
        ("extapi:daily", "daily"),
        ("spo2Daily", "spo2"),
        ("spo2daily", "spo2"),
        ("extapi:spo2Daily", "spo2"),
        ("tag User", "tag"),
        (" heart_health ", "heart_health"),
        ("something_new", "something_new"),
    ],
)
def test_a_scope_has_one_name_however_it_is_spelled(written: str, name: str) -> None:
    assert scope_name(written) == name
    assert scope_name(name) == name


@given(st.sets(st.sampled_from([*SCOPES, "something_new", "another"])), st.booleans())
def test_scopes_survive_being_written_and_read(scopes: set[str], prefix: bool) -> None:
    assert scope_set(scope_text(scopes, prefix=prefix)) == scopes


@given(st.permutations([*SCOPES]))
def test_scopes_are_written_in_the_portal_s_order(scopes: list[str]) -> None:
    assert scope_text(scopes).split() == [*SCOPES]
    assert scope_text([*scopes, "a_new_one"]).split() == [*SCOPES, "a_new_one"]
    assert scope_text(scopes, prefix=True).split() == ["extapi:" + name for name in SCOPES]


def test_scopes_may_be_separated_by_commas() -> None:
    assert scope_set("daily,spo2Daily, email") == {"daily", "spo2", "email"}
    assert scope_set("") == frozenset()
