"""Page tokens: what was put in comes out, and nothing that was not made here for this route is taken."""

from base64 import urlsafe_b64decode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringlet._api.windows import FIRST_MS, LAST_MS, Span
from ringlet._cloud.data.page_tokens import PageTokens
from ringlet.errors import BadRequest

HERE = "/v2/usercollection/heartrate"
INSTANTS = st.integers(FIRST_MS, LAST_MS)
tokens = PageTokens()


@given(INSTANTS, INSTANTS, st.text(st.characters(exclude_categories=["Cs"])))
def test_a_token_remembers_its_window_and_its_place(start, end, after):
    token = tokens.make(HERE, Span(start, end), after)
    assert token.replace("-", "").replace("_", "").isalnum(), "it goes into a URL as it is"
    assert tokens.open(HERE, token) == (Span(start, end), after)


@given(st.data())
def test_a_token_changed_anywhere_is_refused(data):
    good = tokens.make(HERE, Span(0, 1), "17:3")
    at = data.draw(st.integers(0, len(good) - 1))
    letter = data.draw(st.sampled_from("ABCDEFabcdef0123456789-_~. "))
    bad = good[:at] + letter + good[at + 1 :]
    # The last letter has bits that mean nothing; what is no letter of theirs, decoders leave out.
    if letter in "~. " or bits(bad) != bits(good):
        with pytest.raises(BadRequest, match="next_token"):
            tokens.open(HERE, bad)


def bits(token):
    return urlsafe_b64decode(token + "=" * (-len(token) % 4))


@given(st.text())
def test_what_was_never_a_token_is_refused(text):
    with pytest.raises(BadRequest):
        tokens.open(HERE, text)


def test_a_token_opens_no_other_route_and_no_other_cloud():
    token = tokens.make(HERE, Span(0, 1), "17:3")
    with pytest.raises(BadRequest):
        tokens.open("/v2/sandbox/usercollection/heartrate", token)
    with pytest.raises(BadRequest):
        PageTokens().open(HERE, token)
