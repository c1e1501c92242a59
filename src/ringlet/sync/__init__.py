"""Keeping up: what to fetch (`plan`), and fetching it into the archive (`backfill`)."""

from .backfill import Backfill, Progress, Report

__all__ = ["Backfill", "Progress", "Report"]
