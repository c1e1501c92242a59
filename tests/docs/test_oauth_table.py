"""What docs/oauth.md says of the cloud is so: its addresses answer, its requests are taken.

Its commands of `ringlet` are typed in tests/cli.
"""

import json
import re

import pytest

from ..cloud.conftest import CloudClient
from ..paths import ROOT

PAGE = (ROOT / "docs/oauth.md").read_text()
ADDRESSES = sorted(set(re.findall(r"`(/(?:oauth|\.well-known)[\w./-]*)`", PAGE)))
COMMANDS = re.findall(r"`control (\w+) -d '(\{.*?\})'`", PAGE)


def test_there_is_something_to_hold_the_page_to() -> None:
    assert len(ADDRESSES) >= 10
    assert COMMANDS


@pytest.mark.parametrize("path", ADDRESSES)
def test_every_address_of_the_page_answers(live: CloudClient, path: str) -> None:
    answers = [live(path, method=method).status for method in ("GET", "POST")]
    assert not {404} & set(answers)
    assert answers != [405, 405]


@pytest.mark.parametrize(("what", "body"), COMMANDS, ids=[what for what, _ in COMMANDS])
def test_every_command_of_the_page_is_taken(live: CloudClient, what: str, body: str) -> None:
    given = json.loads(body) | ({"user": "wearer"} if what == "users" else {})
    assert live.admin(what, method="POST", **given).status in (200, 201)
