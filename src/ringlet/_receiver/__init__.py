"""Receiving webhooks: verify an event, commit it, acknowledge it, pass it to a handler or to a sync."""
