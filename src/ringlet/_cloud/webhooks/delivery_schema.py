"""The migrations that create and change the tables of deliveries and of their attempts."""

from __future__ import annotations

from ..._archive.storage.migrations import Migrations
from .attempts import ADD_RESPONSE_HEADERS, ATTEMPTS_SCHEMA

# AUTOINCREMENT never uses an id again. So the late outcome of a deleted delivery cannot be stored for a new
# delivery with the same id.
MIGRATIONS = Migrations(
    "outbox",
    f"""
CREATE TABLE IF NOT EXISTS webhook_deliveries (
    id               INTEGER PRIMARY KEY AUTOINCREMENT,
    event_seq        INTEGER NOT NULL,
    subscription_id  TEXT NOT NULL,
    due_at           INTEGER,
    state            TEXT NOT NULL CHECK (state IN ('waiting', 'delivered', 'failed')),
    attempts         INTEGER NOT NULL,
    fence            INTEGER NOT NULL,
    leased_until     INTEGER NOT NULL
);
CREATE INDEX IF NOT EXISTS webhook_deliveries_due
    ON webhook_deliveries (subscription_id, due_at, id) WHERE due_at IS NOT NULL;
CREATE INDEX IF NOT EXISTS webhook_deliveries_of_event ON webhook_deliveries (event_seq);
{ATTEMPTS_SCHEMA}""",
    ADD_RESPONSE_HEADERS,
    "CREATE INDEX webhook_deliveries_failed ON webhook_deliveries (subscription_id, id)"
    " WHERE state = 'failed'",
)
