"""What of an answer's headers is kept."""

from __future__ import annotations

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from ringlet._cloud.webhooks.attempts import MAX_HEADERS_BYTES, fitting

LATIN_1_CHARACTERS = st.characters(max_codepoint=255)


def test_a_few_headers_are_all_stored_in_their_order() -> None:
    said = {"server": "nginx", "date": "Sun, 01 Mar 2026 12:00:00 GMT", "content-type": "text/plain"}
    assert list(fitting(said).items()) == list(said.items())


def test_a_header_that_is_too_long_does_not_drop_the_others() -> None:
    said = {"a": "1", "content-security-policy": "x" * MAX_HEADERS_BYTES, "b": "2"}
    assert fitting(said) == {"a": "1", "b": "2"}


@given(
    st.dictionaries(
        st.text(LATIN_1_CHARACTERS, max_size=20), st.text(LATIN_1_CHARACTERS, max_size=2000), max_size=20
    )
)
def test_stored_headers_were_received_and_fit_the_limit(said: dict[str, str]) -> None:
    kept = fitting(said)
    assert kept.items() <= said.items()
    assert len(msgspec.json.encode(kept)) <= max(MAX_HEADERS_BYTES, 2)
