"""`ringlet demo`: the whole story, over real HTTP, and nothing left running."""

import signal
import urllib.error
import urllib.request

import pytest

from ringlet._api.catalog import TYPES
from ringlet._cli.demo.headless_sign_in import ConsentPage


@pytest.mark.slow
def test_the_whole_story(ringlet):
    done = ringlet("demo", "--days", "20")
    assert done.returncode == 0, done.stderr
    steps = done.stderr.splitlines()
    assert [step[:1] for step in steps] == ["✓", "✓", "✓", "✓", "n"]
    assert "enhanced_tag.create, signed; the document was added" in steps[3]
    assert steps[4].startswith("next: ringlet demo --keep")
    assert "http://127.0.0.1:" in steps[0]
    assert "11 scopes granted" in steps[1]
    assert f"fetched {len(TYPES)} data types over HTTP" in steps[2]
    assert "Night of " in done.stdout
    assert f" of {len(TYPES)} types" in done.stdout
    assert "_0XRNGLT_" not in done.stdout + done.stderr, "no secret without --keep"
    assert not list(ringlet.home.rglob("*.db"))
    api = steps[0].split()[7].rstrip(",")
    with pytest.raises(urllib.error.URLError):
        urllib.request.urlopen(f"{api}/_ringlet/health", timeout=5)


@pytest.mark.slow
def test_the_archive_can_be_kept(ringlet, ready, tmp_path):
    assert ringlet("demo", "--days", "5", "--db", tmp_path / "kept.db").returncode == 0
    assert "Night of" in ringlet("show", "night", "--db", tmp_path / "kept.db").stdout
    assert ringlet("demo", "--days", "5", "--db", tmp_path / "kept.db").returncode == 0
    synced = ringlet.at(ready)("sync", "--db", tmp_path / "kept.db", "--types", "daily_sleep")
    assert synced.returncode == 0, synced.stderr


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_keep_stays_until_it_is_stopped_and_takes_its_cloud_along(ringlet, number):
    process = ringlet.start("demo", "--days", "5", "--keep")
    line = next(line for line in process.stdout if line.startswith("export OURA_API_BASE_URL="))
    api = line.split()[1].partition("=")[2]
    urllib.request.urlopen(f"{api}/_ringlet/health", timeout=30).close()
    process.send_signal(number)
    process.communicate(timeout=60)
    assert process.returncode == 0
    with pytest.raises(urllib.error.URLError):
        urllib.request.urlopen(f"{api}/_ringlet/health", timeout=5)


def test_somebodys_archive_is_left_alone(ringlet, synced, refused):
    refused(ringlet("demo", "--db", synced), 2, "would mix a simulated wearer into it", "leave --db out")


def test_a_consent_page_is_read_as_a_browser_would():
    page = ConsentPage(
        '<form><input type="hidden" name="csrf" value="a&amp;b">'
        '<input type="checkbox" name="granted" value="x">'
        '<input type="checkbox" name="granted" value="y" checked>'
        '<input value="nameless"></form>'
    )
    assert page.fields == [("csrf", "a&b"), ("granted", "y")]
