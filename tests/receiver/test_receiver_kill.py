"""kill -9 under load: what the receiver acknowledged is in its inbox, once."""

from __future__ import annotations

import http.client
import json
import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from itertools import count
from pathlib import Path

import pytest

from ringlet import webhooks as w
from ringlet._receiver.inbox import Inbox
from ringlet.archive import Archive

PROGRAM = Path(__file__).with_name("receiver_process.py")
SECRET = "the application's secret"
KILLS = 50 if os.environ.get("RINGLET_LONG") else 5
SENDERS = 16
PATIENT = 60


class Load:
    """Senders who never rest, and send again what was not acknowledged, as Oura does."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.numbers = count()
        self.acknowledged: list[str] = []
        self.sent_again = 0
        self.over = threading.Event()
        self.threads = [threading.Thread(target=self._send) for _ in range(SENDERS)]

    def __enter__(self) -> Load:
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.over.set()
        for thread in self.threads:
            thread.join(PATIENT)

    def _send(self) -> None:
        line = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENT)
        while not self.over.is_set():
            object = str(next(self.numbers))
            body = w.Event(
                event_type="create",
                data_type="sleep",
                object_id=object,
                event_time="2026-02-02T02:40:00+00:00",
                user_id="wearer",
            ).body
            while not self.over.is_set():
                try:
                    line.request("POST", "/", body, w.signed_headers(SECRET, body, now=time.time()))
                    answer = line.getresponse()
                    answer.read()
                except (OSError, http.client.HTTPException):
                    self.sent_again += 1
                    line.close()
                    time.sleep(0.01)
                else:
                    assert answer.status == 200
                    self.acknowledged.append(object)
                    break
        line.close()


@pytest.mark.slow
@pytest.mark.parametrize("place", ["sqlite", "postgres"])
def test_nothing_acknowledged_is_lost_by_kill_9(
    place: str,
    tmp_path: Path,
    request: pytest.FixtureRequest,
    record_property: Callable[[str, object], None],
) -> None:
    inbox = request.getfixturevalue("postgres") if place == "postgres" else str(tmp_path / "inbox.db")
    with socket.create_server(("127.0.0.1", 0), backlog=2048) as listener:
        # The socket outlives each receiver: what arrives meanwhile waits, and the port stays the same.
        spec = json.dumps({"fd": listener.fileno(), "inbox": inbox, "secret": SECRET})
        dice = random.Random()
        with Load(listener.getsockname()[1]) as load:
            for kill in range(KILLS + 1):
                before = len(load.acknowledged)
                receiver = subprocess.Popen(
                    [sys.executable, str(PROGRAM), spec], pass_fds=[listener.fileno()]
                )
                late = time.monotonic() + PATIENT
                while len(load.acknowledged) < before + 20:
                    assert receiver.poll() is None, "it ended by itself"
                    assert time.monotonic() < late, "it acknowledges nothing"
                    time.sleep(0.002)
                if kill == KILLS:
                    break
                time.sleep(dice.uniform(0, 0.3))
                receiver.kill()
                assert receiver.wait(PATIENT) == -signal.SIGKILL
        receiver.terminate()
        assert receiver.wait(PATIENT) == 0

    with Archive.open(inbox) as archive:
        told = [
            json.loads(body)["object_id"]
            for (body,) in Inbox(archive).db.all("SELECT body FROM webhook_inbox")
        ]
        assert Inbox(archive).pending() == len(told)
    figures = {
        "kills": KILLS,
        "acknowledged": len(load.acknowledged),
        "in the inbox": len(told),
        "sent again": load.sent_again,
    }
    print(f"\n{place}: {figures}")  # noqa: T201  # figures to see with -s
    record_property("kills", figures)
    assert len(set(load.acknowledged)) == len(load.acknowledged)
    assert not set(load.acknowledged) - set(told), "acknowledged, and lost"
    assert len(set(told)) == len(told), "doubled"
    # What is there and was not acknowledged had been committed when its sender was cut off, or was let go.
    assert len(told) - len(load.acknowledged) <= SENDERS
