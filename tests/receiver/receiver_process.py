"""A receiver in a process of its own, on a listening socket of the test's: `python receiver_process.py
SPEC`."""

from __future__ import annotations

import json
import socket
import sys

from ringlet._cloud.serve import run
from ringlet.webhooks import receiver

if __name__ == "__main__":
    spec = json.loads(sys.argv[1])
    hook = receiver(spec["secret"], "token", inbox=spec["inbox"])
    run(hook, socket.socket(fileno=spec["fd"]), lambda: None)
