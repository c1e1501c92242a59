"""The archive: a SQLite or PostgreSQL database with a user's documents and samples."""
