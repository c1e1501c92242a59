"""Answering: an Oura Cloud that anyone can run."""

from .app import Cloud
from .clock import Clock
from .usercollection import Settings

__all__ = ["Clock", "Cloud", "Settings"]
