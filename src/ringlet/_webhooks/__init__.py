"""Both ends of a webhook without I/O: events, their signatures, and the subscription calls."""
