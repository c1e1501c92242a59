"""Benchmarks: ratios in one interleaved run, against what a user would use instead and against the limit."""
