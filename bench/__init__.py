"""Benchmarks. Each compares ringlet, in one run, with what a user would use instead or with the limit."""
