"""The commands of `ringlet`: the module of each command, and its line in `ringlet --help`.

The help texts repeat the first sentences of the commands' docstrings, so that `ringlet --help` does not
import the module of each command. A test compares the texts with the docstrings.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple


class CommandEntry(NamedTuple):
    """The module and the help text of one command of `ringlet`."""

    module: str
    """The module of the command, relative to `ringlet._cli`.

    Its attribute with the command's name is the command.
    """
    help: str
    """The first sentence of the command's docstring."""


COMMANDS: Mapping[str, CommandEntry] = {
    "demo": CommandEntry(
        "demo.demo", "Show what ringlet does, on this machine, without an account or a network."
    ),
    "serve": CommandEntry("cloud.serve", "Run an Oura Cloud of your own: API, OAuth2, webhooks, sandbox."),
    "login": CommandEntry("account.login", "Sign in to Oura or to your cloud, and store the sign-in."),
    "auth": CommandEntry("account.auth", "Look at a stored sign-in, renew it, or end it."),
    "sync": CommandEntry("archive.sync", "Fetch what is missing into the archive."),
    "status": CommandEntry("archive.status", "Show what the archive holds, type by type."),
    "show": CommandEntry("archive.show", "Look at a night in the archive."),
    "api": CommandEntry("archive.api", "Send one GET and print the body of the answer."),
    "listen": CommandEntry("cloud.listen", "Follow the events of your cloud: print them, forward them."),
    "webhooks": CommandEntry(
        "webhooks.webhooks", "Manage webhook subscriptions, and see what was delivered."
    ),
    "trigger": CommandEntry(
        "cloud.trigger", "Make an event happen in your cloud, so that webhooks are sent."
    ),
    "clock": CommandEntry("cloud.clock", "Show the time in your cloud, and move it forward."),
    "fault": CommandEntry("cloud.fault", "Make requests to your cloud fail on purpose."),
    "scenario": CommandEntry("cloud.scenario", "Carry out the steps of FILE in your cloud."),
}
