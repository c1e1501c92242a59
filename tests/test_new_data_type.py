"""A new data type is one model and one row of the table: everything else reads the table.

The source is copied, `daily_hydration` (which Oura does not have) is added to the copy at those two places,
and the real programs run from the copy. The simulated wearer does not write the type.
"""

import json
import shutil
import sqlite3
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from .program import Program

SOURCE = Path(__file__).resolve().parents[1] / "src"

MODEL = '''

class DailyHydration(msgspec.Struct, frozen=True, kw_only=True):
    """How much the wearer drank on a day."""

    id: str
    """Identifier of the document."""

    day: date
    """The day it belongs to."""

    score: int | None = None
    """0 to 100."""
'''

ROW = '    daily_hydration = documents(m.DailyHydration, "daily", "day", "daily_hydration", 180)\n'
LAST_ROW = "    personal_info "

DOCUMENT = b'{"id":"aqua-1","day":"2026-11-20","score":71}'

PUT_A_DOCUMENT = f"""
import sys
from ringlet._api.catalog import TYPES
from ringlet.archive import Archive

with Archive.open(sys.argv[1]) as archive:
    [user] = archive.users()
    archive.put(user.id, TYPES["daily_hydration"], {DOCUMENT!r}, seen_at=0)
"""


@dataclass
class ChangedProgram:
    """A demo cloud that runs from the changed source, and the program with that cloud as its default."""

    ringlet: Program
    home: Path
    database: Path
    """The cloud's archive."""

    api: str
    """The base URL of the cloud."""

    def get(self, path: str, **query: str) -> dict[str, Any]:
        """The answer to a request, sent without `ringlet api`: starting a program takes much longer."""
        token = self.ringlet.variables["OURA_ACCESS_TOKEN"]
        request = urllib.request.Request(
            f"{self.api}{path}?{urlencode(query)}", headers={"authorization": f"Bearer {token}"}
        )
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.load(answer)

    @property
    def archive(self) -> Path:
        """What `ringlet sync` fills."""
        return self.home / "mine.db"


@pytest.fixture(scope="module")
def changed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ChangedProgram]:
    home = tmp_path_factory.mktemp("new_type")
    source = home / "src"
    shutil.copytree(SOURCE, source, ignore=shutil.ignore_patterns("__pycache__"))
    models, catalog = source / "ringlet/models.py", source / "ringlet/_api/catalog.py"
    models.write_text(models.read_text("utf-8") + MODEL, "utf-8")
    table = catalog.read_text("utf-8")
    assert table.count(LAST_ROW) == 1
    catalog.write_text(table.replace(LAST_ROW, ROW + LAST_ROW), "utf-8")
    database = home / "cloud.db"
    program = Program(home, {"PYTHONPATH": str(source)})
    serve = ("--demo", "--days", "10", "--db", database, "--clock", "frozen:2026-11-30T12:00:00Z")
    with program.serve(*serve) as ready:
        control = {"RINGLET_ADMIN_TOKEN": ready["admin_token"]}
        changed = Program(home, program.at(ready).variables | control)
        yield ChangedProgram(changed, home, database, ready["api"])


def test_the_data_routes_and_the_sandbox_routes_list_the_type(changed: ChangedProgram) -> None:
    window = {"start_date": "2026-11-20", "end_date": "2026-11-30"}
    empty_list = {"data": [], "next_token": None}
    assert changed.get("/v2/sandbox/usercollection/daily_hydration", **window) == empty_list
    assert changed.get("/v2/usercollection/daily_hydration", **window) == empty_list


def test_a_document_is_found_by_its_id_until_it_is_deleted(changed: ChangedProgram) -> None:
    put = subprocess.run(
        [sys.executable, "-c", PUT_A_DOCUMENT, changed.database],
        env=changed.ringlet.env(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert put.returncode == 0, put.stderr
    found = changed.ringlet("api", "daily_hydration/aqua-1")
    assert found.returncode == 0, found.stderr
    assert json.loads(found.stdout) == json.loads(DOCUMENT)
    listed = changed.get("/v2/usercollection/daily_hydration", start_date="2026-11-20", end_date="2026-11-20")
    assert listed["data"] == [json.loads(DOCUMENT)]
    deleted = changed.ringlet("trigger", "daily_hydration.delete")
    assert deleted.returncode == 0, deleted.stderr
    missing = changed.ringlet("api", "daily_hydration/aqua-1")
    assert missing.returncode != 0
    assert "404" in missing.stderr or "not found" in missing.stderr.lower()


def test_the_openapi_document_describes_the_type(changed: ChangedProgram) -> None:
    described = changed.get("/openapi.json")
    for root in ("/v2/usercollection", "/v2/sandbox/usercollection"):
        assert f"{root}/daily_hydration" in described["paths"]
        assert f"{root}/daily_hydration/{{document_id}}" in described["paths"]
    assert any("DailyHydration" in name for name in described["components"]["schemas"])


def test_a_trigger_says_that_the_simulated_wearer_does_not_write_the_type(changed: ChangedProgram) -> None:
    refused = changed.ringlet("trigger", "daily_hydration.create")
    assert refused.returncode == 2
    assert "the simulated wearer does not write daily_hydration" in refused.stderr
    updated = changed.ringlet("trigger", "daily_hydration.update")
    assert updated.returncode == 0, updated.stderr


def test_the_type_is_synced_counted_and_shown_in_a_view(changed: ChangedProgram) -> None:
    done = changed.ringlet("sync", "--db", changed.archive, "--since", "2026-11-25")
    assert done.returncode == 0, done.stderr
    assert "daily_hydration" in done.stdout + done.stderr
    status = changed.ringlet("status", "--db", changed.archive)
    assert "daily_hydration" in status.stdout
    with sqlite3.connect(changed.archive) as connection:
        view = connection.execute("SELECT * FROM daily_hydration")
        assert {"id", "day", "score"} <= {column[0] for column in view.description}
    connection.close()
