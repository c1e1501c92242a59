"""`ringlet demo`: cloud, sign-in, sync and a webhook in one run."""
