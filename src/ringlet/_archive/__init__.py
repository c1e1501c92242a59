"""The archive: documents, time series, revisions and coverage in one database."""
