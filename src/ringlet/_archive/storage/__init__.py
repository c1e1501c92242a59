"""The database port with its two implementations, SQLite and PostgreSQL, and the schema."""
