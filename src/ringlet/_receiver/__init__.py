"""Receiving webhooks: verify an event, commit it, acknowledge it, hand it to a handler."""
