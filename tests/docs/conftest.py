"""Pages are tested with the fixtures of the commands and of the cloud that they describe."""

from ..cli.conftest import ready, ringlet, synced, token_for
from ..cloud.conftest import live, make_cloud, runner

__all__ = ["live", "make_cloud", "ready", "ringlet", "runner", "synced", "token_for"]
