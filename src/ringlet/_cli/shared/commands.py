"""The commands of `ringlet`, each with the module that holds it."""

from collections.abc import Mapping

COMMANDS: Mapping[str, str] = {
    "demo": "demo.demo",
    "serve": "cloud.serve",
    "login": "account.login",
    "auth": "account.auth",
    "sync": "archive.sync",
    "status": "archive.status",
    "show": "archive.show",
    "api": "archive.api",
    "listen": "cloud.listen",
    "webhooks": "webhooks.webhooks",
    "trigger": "cloud.trigger",
    "clock": "cloud.clock",
    "fault": "cloud.fault",
    "scenario": "cloud.scenario",
}
"""Relative to `ringlet._cli`. Modules load when their command is named: `ringlet --help` loads none."""
