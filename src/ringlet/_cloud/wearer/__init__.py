"""The simulated wearer who lives in a demo cloud."""
