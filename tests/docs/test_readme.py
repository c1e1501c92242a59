"""The README's claims: its Python runs and prints what stands there, and its night is the demo's."""

import re

from .. import forked
from ..paths import ROOT

README = (ROOT / "README.md").read_text("utf-8")
WHEN = "frozen:2026-11-20T12:00:00Z"


def block(language):
    return re.search(rf"```{language}\n(.*?)```", README, re.DOTALL)[1]


def test_what_stands_there_is_what_happens(ringlet, tmp_path):
    archive = tmp_path / "readme.db"
    cloud = ringlet.start("serve", "--demo", "--days", "30", "--clock", WHEN, "--port", "0", "--db", archive)
    try:
        said = "".join(cloud.stdout.readline() for _ in range(5))
        exported = dict(re.findall(r"(OURA_\w+)=(\S+)", said))
        done = forked.run(["-c", block("python")], env=ringlet.env(**exported))
    finally:
        cloud.terminate()
        cloud.communicate(timeout=30)
    assert done.returncode == 0, done.stderr
    assert done.stdout == block("text")
    assert ringlet("show", "night", "--db", archive, COLUMNS="88").stdout in README


def test_every_command_it_names_exists(ringlet):
    from ringlet._cli.shared.commands import COMMANDS

    used = set(re.findall(r"^\$ ringlet (\w+)", README, re.MULTILINE))
    assert used <= set(COMMANDS)
    assert len(used) >= 5
