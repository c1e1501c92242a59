"""The simulated wearer of a demo cloud: a user whose documents `_person` generates."""
