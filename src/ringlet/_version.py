"""The version of this package, read by hatch when it builds a distribution."""

__version__ = "0.1.0"
