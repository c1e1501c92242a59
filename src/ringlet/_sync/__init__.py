"""Keeping an archive up to date: backfill, fetching what webhook events name, and subscriptions."""
