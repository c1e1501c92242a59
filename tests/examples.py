"""How hypothesis searches. `make test` takes the profile "fast", `make test-slow` the profile "thorough".

Rules of this file:
* No test sets a number of its own: the profile decides, so that one option makes every search longer.
"""

import os

from hypothesis import settings

settings.register_profile("fast", max_examples=30, deadline=None)
settings.register_profile("thorough", max_examples=150, deadline=None)
# Continuous integration tries the same examples every time; on a developer's machine the search goes on.
settings.register_profile("ci", settings.get_profile("fast"), derandomize=True)


def load_default_profile() -> None:
    """The option `--hypothesis-profile` is read later, and overrides it."""
    settings.load_profile("ci" if os.environ.get("CI") else "fast")


def few() -> settings:
    """A third of the profile's examples, for properties whose every example takes long."""
    return settings(max_examples=settings.default.max_examples // 3)
