"""Two webhook senders on one archive that are killed at random; `test_webhook_load` starts this program.

    sender_processes.py ARCHIVE KILLS SECONDS

It kills one of its two children KILLS times, SECONDS apart, and starts another in its place. Then they work
until a line arrives on stdin. Prints their memory in bytes: at the start, and the maximum.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import select
import signal
import sys
import time
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

from ringlet._cloud.core.clock import Clock
from ringlet._cloud.oauth.applications import Applications
from ringlet._cloud.webhooks.deliveries import Deliveries
from ringlet._cloud.webhooks.event_log import EventLog
from ringlet._cloud.webhooks.publisher import Publisher
from ringlet._cloud.webhooks.sender import Policy, Sender
from ringlet._cloud.webhooks.subscriptions import Subscriptions
from ringlet._net.addresses import AddressPolicy
from ringlet._net.dial import Dialer
from ringlet.archive import Archive

DEADLINE_S = 1.0
RETRIES = [timedelta(milliseconds=300)] * 10
POLICY = Policy(lease=timedelta(seconds=3), slow_pause_s=0.02, max_backoff_s=0.2)


async def send(place: str) -> None:
    loop, this = asyncio.get_running_loop(), asyncio.current_task()
    assert this
    loop.add_signal_handler(signal.SIGTERM, this.cancel)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
    clock = Clock()
    with Archive.open(place) as archive:
        deliveries = Deliveries(archive, clock, Subscriptions(archive, clock), RETRIES)
        publisher = Publisher(archive, clock, EventLog(archive, clock), deliveries)
        apps = Applications(archive, clock)
        archive.wait_at_most(0.25)  # as a cloud does, once its tables exist
        dialer = Dialer(AddressPolicy("dev"), deadline=DEADLINE_S)
        try:
            await Sender(deliveries, publisher, apps, dialer, POLICY).run()
        finally:
            await dialer.close()


def fork(place: str) -> int:
    # SIGTERM is blocked until the child handles it: one that arrives earlier is delivered then.
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    child = os.fork()
    if child == 0:
        random.seed()
        try:
            with suppress(asyncio.CancelledError):
                asyncio.run(send(place))
            os._exit(0)
        except BaseException as error:
            sys.stderr.write(f"a sender ended: {error!r}\n")
            sys.stderr.flush()
        finally:
            os._exit(1)
    return child


def memory(child: int) -> int:
    """The resident memory of a process, in bytes."""
    pages = int(Path(f"/proc/{child}/statm").read_text().split()[1]) if Path("/proc").exists() else 0
    return pages * os.sysconf("SC_PAGESIZE")


def main(place: str, kills: int, seconds: float) -> None:
    children = [fork(place), fork(place)]
    time.sleep(0.5)
    first = most = max(map(memory, children))
    next_kill = time.monotonic()
    while kills or not select.select([sys.stdin], [], [], 0)[0]:
        time.sleep(0.02)
        most = max(most, *map(memory, children))
        if kills and time.monotonic() >= next_kill:
            victim = children.pop(random.randrange(2))
            os.kill(victim, signal.SIGKILL)
            os.waitpid(victim, 0)
            children.append(fork(place))
            kills -= 1
            next_kill = time.monotonic() + random.uniform(0, 2 * seconds)
    ends = []
    for child in children:
        os.kill(child, signal.SIGTERM)
        ends.append(os.waitpid(child, 0)[1])
    sys.stdout.write(json.dumps({"first": first, "most": most, "ends": ends}))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), float(sys.argv[3]))
