"""Time series, stored as compressed chunks of about a thousand rows."""
