"""Writes the documents of simulated days: their data types, versions and fields."""
