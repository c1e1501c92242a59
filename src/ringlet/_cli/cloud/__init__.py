"""The commands that run or operate a cloud: serve, listen, clock, fault, trigger, scenario."""
