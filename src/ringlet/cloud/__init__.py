"""Answering: an Oura Cloud that anyone can run."""

from .app import Cloud
from .clock import Clock
from .grants import Rules
from .usercollection import Settings

__all__ = ["Clock", "Cloud", "Rules", "Settings"]
