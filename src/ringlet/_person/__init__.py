"""The simulated wearer: a pure function of seed, user and day."""
