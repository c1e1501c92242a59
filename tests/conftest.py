"""Continuous integration tries the same examples every time; on a desk, hypothesis goes on searching."""

import os

from hypothesis import settings

settings.register_profile("ci", derandomize=True)
if os.environ.get("CI"):
    settings.load_profile("ci")
