"""How long tokens live, and that archives from before tokens and codes had files of their own open."""

from datetime import UTC, datetime, timedelta

from ringlet._cloud.core.clock import Clock
from ringlet._cloud.core.rate_limit import RateLimit
from ringlet._cloud.oauth.grants import Grants
from ringlet._cloud.oauth.tokens import ACCESS_LIFE
from ringlet.archive import Archive

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def test_access_tokens_live_30_days_less_a_second_or_the_documented_24_hours():
    assert ACCESS_LIFE["live"] == timedelta(seconds=2_591_999)
    assert ACCESS_LIFE["docs"] == timedelta(hours=24)


def test_an_archive_whose_tables_were_created_in_one_step_keeps_its_tokens(tmp_path):
    """Before, one step named `grants` created all three tables."""
    with Archive.open(tmp_path / "oura.db") as archive:
        grants = Grants(archive, Clock(NOW), RateLimit())
        client_id, _ = grants.apps.register("An application", [])
        issued = grants.issue(client_id, 1, ["daily"])
        with archive.transaction():
            archive.database.execute("DELETE FROM settings WHERE name IN ('room codes', 'room tokens')")
    with Archive.open(tmp_path / "oura.db") as archive:
        access = Grants(archive, Clock(NOW), RateLimit()).access(issued.access_token)
        assert access
        assert access.scopes == {"daily"}
