"""Opening an archive on SQLite or PostgreSQL, its tables, locks and settings."""
