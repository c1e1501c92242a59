"""Keeping an archive up to date: backfill, following webhook events, subscriptions."""
