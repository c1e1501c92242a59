"""`ringlet listen`: real processes; whatever stops, whoever is killed, no event is missed."""

from __future__ import annotations

import json
import random
import shlex
import signal
import socket
import stat
import subprocess
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from queue import Empty, Queue
from threading import Barrier, Thread
from typing import Any

import pytest

from ringlet._cli.cloud.bookmark import signing_secret
from ringlet._cli.cloud.listen import json_line, line
from ringlet._cli.shared.control_client import ControlClient
from ringlet._cli.shared.event_names import wanted_events
from ringlet._cloud.core.clock import Clock
from ringlet._cloud.webhooks.deliveries import Deliveries
from ringlet._cloud.webhooks.event_log import EventLog
from ringlet._cloud.webhooks.publisher import Publisher
from ringlet._cloud.webhooks.subscriptions import Subscriptions
from ringlet.archive import Archive
from ringlet.errors import UsageError
from ringlet.webhooks import DATA_TYPES, EVENT_TYPES, Event, verify

PATIENT = 30.0
ADMIN = "an admin token for tests"


class Lines:
    """A program that runs, and its lines as they come."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.out: Queue[str] = Queue()
        self.err: Queue[str] = Queue()
        self._readers = [
            Thread(target=_read, args=pipe)
            for pipe in ((process.stdout, self.out), (process.stderr, self.err))
        ]
        for reader in self._readers:
            reader.start()

    def events(self, count: int) -> list[Event]:
        """The next events of `--json`."""
        return [Event(**json.loads(self.out.get(timeout=PATIENT))) for _ in range(count)]

    def nothing(self, seconds: float = 0.3) -> bool:
        """Whether nothing more is said for a while."""
        with suppress(Empty):
            self.out.get(timeout=seconds)
            return False
        return True

    def until(self, words: str) -> str:
        """The remark that holds these words."""
        while True:
            remark = self.err.get(timeout=PATIENT)
            if words in remark:
                return remark

    def end(self, number: int = signal.SIGKILL) -> int:
        if self.process.poll() is None:
            self.process.send_signal(number)
        code = self.process.wait(PATIENT)
        for reader in self._readers:
            reader.join()
        assert self.process.stdout
        assert self.process.stderr
        self.process.stdout.close()
        self.process.stderr.close()
        return code


def _read(pipe: Any, into: Queue[str]) -> None:
    for text in pipe:
        into.put(text.rstrip("\n"))


Start = Callable[..., Lines]


@pytest.fixture
def start(ringlet: Any) -> Iterator[Start]:
    """Starts programs, and ends them with the test."""
    started: list[Lines] = []

    def run(*args: str | Path, **env: str) -> Lines:
        started.append(Lines(ringlet.start(*args, **env)))
        return started[-1]

    yield run
    for one in started:
        one.end()


@pytest.fixture
def port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        number: int = free.getsockname()[1]
    return number


@pytest.fixture
def serve(start: Start, ringlet: Any, port: int, tmp_path: Path) -> Callable[..., Lines]:
    """Starts the demo cloud of this test at its address; by default it remembers what it knew."""
    there = {"OURA_API_BASE_URL": f"http://127.0.0.1:{port}", "RINGLET_ADMIN_TOKEN": ADMIN}
    ringlet.variables.update(there)

    def run(*, anew: bool = False, db: str = "") -> Lines:
        kept = [] if anew else ["--db", db or tmp_path / "cloud.db"]
        cloud = start(
            *("serve", "--demo", "--days", "3", "--port", str(port), "--ready", "json"),
            *("--clock", "frozen:2026-03-01T12:00:00Z", *kept),
        )
        assert cloud.out.get(timeout=PATIENT)
        return cloud

    return run


@pytest.fixture
def control(serve: Callable[..., Lines], port: int) -> Iterator[ControlClient]:
    """A running cloud, and the hand on it."""
    serve()
    with ControlClient(f"http://127.0.0.1:{port}", ADMIN) as one:
        yield one


def trigger(control: ControlClient, *names: str) -> list[Event]:
    return [Event(**control.post("trigger", {"event": name})["event"]) for name in names]


def log(control: ControlClient) -> list[Event]:
    return [Event(**one["event"]) for one in control.get("events", after=0, limit=1000)["events"]]


def test_every_type_and_operation_reaches_it(control: ControlClient, start: Start) -> None:
    listening = start("listen", "--json")
    listening.until("from now on")
    names = [f"{data_type}.{event_type}" for data_type in DATA_TYPES for event_type in EVENT_TYPES]
    made = trigger(control, *names)
    seen = listening.events(len(names))
    assert seen == made
    assert [f"{one.data_type}.{one.event_type}" for one in seen] == names


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_an_hour_away_misses_nothing(control: ControlClient, start: Start, number: int) -> None:
    listening = start("listen", "--json")
    listening.until("from now on")
    before = trigger(control, "sleep.update", "workout.create")
    assert listening.events(2) == before
    assert listening.nothing()
    code = listening.end(number)
    assert code == (-number if number == signal.SIGKILL else 0)

    trigger(control, "tag.create")
    control.post("clock", {"advance": 3600})
    trigger(control, "tag.delete", "sleep.delete")
    happened = log(control)[len(before) :]
    assert len(happened) >= 3

    again = start("listen", "--json")
    again.until("behind")
    assert again.events(len(happened)) == happened
    after = trigger(control, "session.update")
    assert again.events(1) == after
    assert again.nothing()


def test_it_is_the_same_with_a_database_on_a_server(
    serve: Callable[..., Lines], start: Start, port: int, postgres: str
) -> None:
    cloud = serve(db=postgres)
    with ControlClient(f"http://127.0.0.1:{port}", ADMIN) as control:
        listening = start("listen", "--json")
        listening.until("from now on")
        made = trigger(control, "sleep.update", "workout.create")
        assert listening.events(2) == made
        assert listening.nothing()
        listening.end(signal.SIGINT)
        made = trigger(control, "workout.delete")
        cloud.end(signal.SIGKILL)
        serve(db=postgres)
        made += trigger(control, "tag.create")
        again = start("listen", "--json")
        again.until("2 events behind")
        assert again.events(2) == made


@pytest.mark.slow
def test_killed_again_and_again_it_misses_nothing(control: ControlClient, start: Start) -> None:
    """What a kill interrupts is told again, in order; at most one event, which was told and not yet noted."""
    chance = random.Random(7)
    listening = start("listen", "--json")
    listening.until("from now on")
    made: list[Event] = []
    told: list[Event] = []
    for _ in range(8):
        made += trigger(control, *["meal.create"] * chance.randint(1, 30))
        told += listening.events(1)  # it is at work now
        time.sleep(chance.uniform(0, 0.01))
        listening.end()
        told += [Event(**json.loads(one)) for one in list(listening.out.queue)]
        listening = start("listen", "--json")
    while told[-1] != made[-1]:
        told += listening.events(1)
    once = list(dict.fromkeys(one.object_id for one in told))
    assert once == [one.object_id for one in made]
    assert len(told) - len(made) <= 8


def test_a_cloud_that_is_killed_and_comes_back_is_followed_on(
    serve: Callable[..., Lines], start: Start, port: int
) -> None:
    cloud = serve()
    listening = start("listen", "--json")
    listening.until("from now on")
    with ControlClient(f"http://127.0.0.1:{port}", ADMIN) as control:
        first = trigger(control, "sleep.update")
        assert listening.events(1) == first
        cloud.end(signal.SIGKILL)
        listening.until("trying until it does")
        serve()
        listening.until("the cloud answers again")
        second = trigger(control, "sleep.delete")
        assert listening.events(1) == second
        assert listening.err.empty()


def test_a_new_cloud_at_the_old_address_is_read_from_its_beginning(
    serve: Callable[..., Lines], start: Start, port: int
) -> None:
    cloud = serve()
    with ControlClient(f"http://127.0.0.1:{port}", ADMIN) as control:
        trigger(control, "sleep.update", "sleep.update", "sleep.update")
        listening = start("listen", "--json")
        listening.until("from now on")
        listening.end(signal.SIGINT)
        cloud.end()
        serve(anew=True)
        made = trigger(control, "workout.create")
        again = start("listen", "--json")
        again.until("another cloud than before")
        again.until("1 event behind")
        assert again.events(1) == made
        again.end(signal.SIGINT)


def test_a_new_cloud_in_which_nothing_has_happened_is_told_without_contradiction(
    serve: Callable[..., Lines], start: Start
) -> None:
    cloud = serve()
    listening = start("listen", "--json")
    listening.until("from now on")
    listening.end(signal.SIGINT)
    cloud.end()
    serve(anew=True)
    again = start("listen", "--json")
    again.until("another cloud than before")
    assert "where nothing has happened yet;" in again.until("listening to")


def test_a_cloud_that_comes_back_from_an_older_copy_is_followed_from_there(
    serve: Callable[..., Lines], start: Start, port: int, tmp_path: Path
) -> None:
    cloud = serve()
    with ControlClient(f"http://127.0.0.1:{port}", ADMIN) as control:
        assert trigger(control, "sleep.update") == log(control)
        cloud.end(signal.SIGTERM)
        copy = {path.name: path.read_bytes() for path in tmp_path.glob("cloud.db*")}
        cloud = serve()
        made = trigger(control, "sleep.update", "sleep.update")
        listening = start("listen", "--json", "--from-start")
        assert listening.events(3)[1:] == made
        listening.end(signal.SIGINT)
        cloud.end(signal.SIGTERM)
        for path in tmp_path.glob("cloud.db*"):
            path.unlink()
        for name, content in copy.items():
            (tmp_path / name).write_bytes(content)
        serve()
        again = start("listen", "--json")
        again.until("lacks the last events")
        made = trigger(control, "workout.create")
        assert again.events(1) == made


def test_what_the_cloud_forgot_before_it_was_read_is_said(
    control: ControlClient, start: Start, tmp_path: Path
) -> None:
    listening = start("listen", "--json")
    listening.until("from now on")
    first = trigger(control, "sleep.update")
    assert listening.events(1) == first
    assert listening.nothing()
    listening.end(signal.SIGINT)
    made = trigger(control, "workout.create", "tag.create", "tag.delete")
    with Archive.open(tmp_path / "cloud.db") as archive:
        clock = Clock(datetime(2026, 9, 1, tzinfo=UTC))
        deliveries = Deliveries(archive, clock, Subscriptions(archive, clock))
        Publisher(archive, clock, EventLog(archive, clock), deliveries).prune()  # all but the newest
    again = start("listen", "--json")
    again.until("2 older events are no longer in the cloud's log")
    assert again.events(1) == made[2:]
    again.end(signal.SIGINT)
    told = start("listen", "--json", "--from-start")
    told.until("1 event behind")
    assert told.events(1) == made[2:]
    assert told.err.empty(), "who asks for what is left misses nothing"


def test_it_begins_where_it_is_told_to(control: ControlClient, start: Start) -> None:
    made = trigger(control, "sleep.update", "workout.create")
    for _ in range(2):
        listening = start("listen", "--json", "--from-start")
        assert listening.events(2) == made
        listening.end(signal.SIGINT)
    trigger(control, "sleep.delete")
    listening = start("listen", "--json", "--from-now")
    listening.until("from now on")
    last = trigger(control, "tag.create")
    assert listening.events(1) == last


def test_only_what_is_wanted_is_told_and_the_place_moves_on_all_the_same(
    control: ControlClient, start: Start
) -> None:
    listening = start("listen", "--json", "--events", "sleep.*,daily_*.update")
    listening.until("from now on")
    names = ["sleep.create", "workout.create", "daily_sleep.update", "daily_sleep.create", "sleep.delete"]
    made = trigger(control, *names)
    assert listening.events(3) == [made[0], made[2], made[4]]
    trigger(control, "workout.update")
    assert listening.nothing()
    listening.end(signal.SIGINT)
    again = start("listen", "--json")
    again.until("from now on")
    assert again.nothing()


def test_two_who_listen_both_hear_and_one_keeps_the_place(control: ControlClient, start: Start) -> None:
    first, second = start("listen", "--json"), None
    first.until("the place is stored")
    second = start("listen", "--json")
    second.until("another listen stores the place")
    made = trigger(control, "sleep.update")
    assert first.events(1) == second.events(1) == made


def test_two_who_forward_to_one_receiver_are_told_that_it_hears_twice(
    control: ControlClient, start: Start, hook: Callable[..., Hook]
) -> None:
    there = f"127.0.0.1:{hook().server_port}"
    start("listen", "--forward-to", there).until("the place is stored")
    second = start("listen", "--forward-to", there)
    second.until("another listen forwards to it, too")


def test_people_get_a_line_for_each_event(control: ControlClient, start: Start) -> None:
    listening = start("listen")
    listening.until("from now on")
    [made] = trigger(control, "sleep.update")
    words = listening.out.get(timeout=PATIENT).split()
    assert words == ["2026-03-01", words[1], "sleep.update", made.object_id, made.user_id]


# --- Forwarding ---


class Hook(ThreadingHTTPServer):
    """A receiver, at an address of its own, that answers what it is told to."""

    def __init__(self, port: int, status: int) -> None:
        super().__init__(("127.0.0.1", port), _Hook)
        self.status = status
        self.says = b'{"status": "ok"}'
        self.asked: list[str] = []
        self.got: Queue[tuple[dict[str, str], bytes]] = Queue()
        self.thread = Thread(target=self.serve_forever, args=(0.01,))
        self.thread.start()

    def end(self) -> None:
        self.shutdown()
        self.thread.join()
        self.server_close()


class _Hook(BaseHTTPRequestHandler):
    server: Hook

    def do_GET(self) -> None:
        self.server.asked.append(self.path)
        self.send_response(200)
        self.end_headers()
        self.wfile.write(self.server.says)

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        self.send_response(self.server.status)
        self.end_headers()
        self.server.got.put(({name.lower(): value for name, value in self.headers.items()}, body))

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def hook() -> Iterator[Callable[..., Hook]]:
    made: list[Hook] = []

    def at(port: int = 0, status: int = 200) -> Hook:
        made.append(Hook(port, status))
        return made[-1]

    yield at
    for one in made:
        one.end()


def test_what_is_forwarded_is_signed_with_the_secret_that_is_set(
    control: ControlClient, start: Start, hook: Callable[..., Hook]
) -> None:
    there = hook()
    forwarding = start(
        *("listen", "--forward-to", f"127.0.0.1:{there.server_port}/hook?key=hidden"),
        OURA_CLIENT_SECRET="the application's",
    )
    said = forwarding.until("forwarding to")
    assert "OURA_CLIENT_SECRET" in said
    assert "hidden" not in said
    assert "the application's" not in said
    [made] = trigger(control, "sleep.update")
    headers, body = there.got.get(timeout=PATIENT)
    assert verify("the application's", headers, body, now=time.time()) == made
    assert made.object_id in forwarding.out.get(timeout=PATIENT)
    assert forwarding.out.get(timeout=PATIENT).startswith("  → 200  ")


def test_without_a_secret_it_has_one_of_its_own(
    control: ControlClient, start: Start, ringlet: Any, hook: Callable[..., Hook]
) -> None:
    there = hook()
    forwarding = start("listen", "--json", "--forward-to", f"127.0.0.1:{there.server_port}")
    forwarding.until("ringlet listen --print-secret")
    [made] = trigger(control, "sleep.update")
    headers, body = there.got.get(timeout=PATIENT)
    secret = ringlet("listen", "--print-secret").stdout.strip()
    assert verify(secret, headers, body, now=time.time()) == made
    assert forwarding.events(1) == [made]
    assert forwarding.until("→ 200")


def test_a_receiver_that_is_down_is_waited_for_and_gets_all_in_order(
    control: ControlClient, start: Start, port: int, hook: Callable[..., Hook]
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        where: int = free.getsockname()[1]
    forwarding = start("listen", "--json", "--forward-to", f"127.0.0.1:{where}")
    forwarding.until("forwarding to")
    made = trigger(control, "sleep.update", "workout.create", "tag.delete")
    forwarding.until("again in")
    forwarding.end()
    there = hook(where)
    again = start("listen", "--json", "--forward-to", f"127.0.0.1:{where}")
    again.until("3 events behind")
    assert [Event(**json.loads(there.got.get(timeout=PATIENT)[1])) for _ in range(3)] == made
    assert again.events(3) == made


def test_whoever_refuses_one_event_is_told_the_line_that_leaves_it_out_and_no_secret(
    control: ControlClient, start: Start, hook: Callable[..., Hook]
) -> None:
    there = hook(status=500)
    url = f"127.0.0.1:{there.server_port}/hook?key=hidden"
    forwarding = start("listen", "--forward-to", url, "--from-start", "--events", "sleep.*")
    trigger(control, "sleep.update")
    line = forwarding.until("next: ").partition("leave out all events that wait for it: ")[2]
    assert line == "ringlet listen --forward-to ... --events 'sleep.*' --from-now"
    forwarding.end()
    there.status, there.got = 200, Queue()
    freed = start(*shlex.split(line.replace("...", url))[1:])
    freed.until("from now on")
    [made] = trigger(control, "sleep.create")
    assert there.got.get(timeout=PATIENT)[1] == made.body


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_receiver_that_hangs_holds_nobody_up(control: ControlClient, start: Start, number: int) -> None:
    with socket.create_server(("127.0.0.1", 0)) as hanging:
        forwarding = start("listen", "--json", "--forward-to", f"127.0.0.1:{hanging.getsockname()[1]}")
        forwarding.until("forwarding to")
        trigger(control, "sleep.update")
        taken, _ = hanging.accept()
        with taken:
            assert taken.recv(100)
            assert forwarding.end(number) == 0
    assert not any("Traceback" in one for one in list(forwarding.err.queue))


def test_410_ends_it_and_the_event_stays_the_next(
    control: ControlClient, start: Start, hook: Callable[..., Hook]
) -> None:
    there = hook(status=410)
    command = ("listen", "--json", "--forward-to", f"127.0.0.1:{there.server_port}")
    forwarding = start(*command)
    forwarding.until("forwarding to")
    [made] = trigger(control, "sleep.update")
    assert "410" in forwarding.until("error: ")
    forwarding.until("next: ")
    assert forwarding.process.wait(PATIENT) == 1
    there.status = 200
    start(*command)
    bodies = [there.got.get(timeout=PATIENT)[1] for _ in range(2)]
    assert bodies == [made.body] * 2


# --- Without a cloud ---


def test_the_secret_is_made_once_and_is_its_owners_alone(ringlet: Any) -> None:
    first = ringlet("listen", "--print-secret")
    assert (first.returncode, first.stderr) == (0, "")
    assert len(first.stdout.strip()) == 64
    assert ringlet("listen", "--print-secret").stdout == first.stdout
    [kept] = (ringlet.home / "state").rglob("secret")
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert ringlet("listen", "--print-secret", OURA_CLIENT_SECRET="mine").stdout == "mine\n"


def test_nothing_of_it_goes_to_oura(ringlet: Any, refused: Any) -> None:
    refused(ringlet("listen", RINGLET_ADMIN_TOKEN=ADMIN), 2, "a cloud of your own", "ringlet serve --demo")


def test_nobody_there_is_said_at_once(ringlet: Any, refused: Any, port: int) -> None:
    done = ringlet("listen", "--base-url", f"http://127.0.0.1:{port}", RINGLET_ADMIN_TOKEN=ADMIN)
    refused(done, 1, "no cloud answers", "ringlet serve --demo")


def test_what_is_no_log_is_an_error(ringlet: Any, refused: Any, hook: Callable[..., Hook]) -> None:
    stranger = hook()
    where = {"OURA_API_BASE_URL": f"http://127.0.0.1:{stranger.server_port}", "RINGLET_ADMIN_TOKEN": ADMIN}
    refused(ringlet("listen", **where), 1, "cannot be read", "the same version as this program")


def test_a_cloud_that_answers_at_once_and_as_it_likes_is_asked_seldom_and_told_of_once(
    start: Start, hook: Callable[..., Hook]
) -> None:
    """One that knows nothing of waiting, nor of a place in its log."""
    there, made = hook(), [event(object_id="one"), event(object_id="two")]
    lines = [{"seq": seq, "event": json.loads(one.body)} for seq, one in enumerate(made, 1)]
    there.says = json.dumps({"log": "a log", "oldest": 1, "newest": 2, "events": lines}).encode()
    where = {"OURA_API_BASE_URL": f"http://127.0.0.1:{there.server_port}", "RINGLET_ADMIN_TOKEN": ADMIN}
    listening = start("listen", "--json", "--from-start", **where)
    assert listening.events(2) == made
    before = len(there.asked)
    assert listening.nothing(1.6)
    assert 1 <= len(there.asked) - before <= 4


def test_those_who_start_at_once_sign_alike(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OURA_CLIENT_SECRET", raising=False)
    together, starts = 8, 10
    barrier = Barrier(together)

    def sign(_: int) -> str:
        barrier.wait()
        return signing_secret()

    with ThreadPoolExecutor(together) as pool:
        for number in range(starts):
            monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / str(number)))
            assert len(set(pool.map(sign, range(together)))) == 1


def test_a_place_that_is_none_is_an_error(ringlet: Any, refused: Any, control: ControlClient) -> None:
    listening = Lines(ringlet.start("listen"))
    listening.until("from now on")
    assert listening.end(signal.SIGINT) == 0
    [kept] = (ringlet.home / "state").rglob("*.json")
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    kept.write_bytes(b"{")
    refused(ringlet("listen"), 1, "is damaged", "--from-start")


@pytest.mark.parametrize(
    ("args", "error", "cure"),
    [
        (["--events", "slep.update"], "'slep.update' matches none", "'sleep.update'"),
        (["--events", "sleep.*,wrkout"], "'wrkout.*' matches none", "'workout.*'"),
        (["--events", "sleep.updated"], "matches none of the events", "'sleep.update'"),
        (["--events", ""], "expected names of events", "'sleep.*,daily_*.update'"),
        (["--events", " , "], "expected names of events", "'sleep.*,daily_*.update'"),
        (["--from-start", "--from-now"], "exclude each other", "leave one out"),
        (["--forward-to", "8000", "--verification-token", ""], "token is empty", "the receiver knows"),
        (["--forward-to", "8003/x"], "8003 alone before a path", "--forward-to localhost:8003/x"),
        (["--forward-to", "ftp://here"], "begins with https", "--forward-to http://localhost"),
        (["--verification-token", "x"], "needs a receiver", "--forward-to URL"),
    ],
)
def test_what_cannot_be_meant(
    ringlet: Any, refused: Any, port: int, args: list[str], error: str, cure: str
) -> None:
    there = {"OURA_API_BASE_URL": f"http://127.0.0.1:{port}", "RINGLET_ADMIN_TOKEN": ADMIN}
    refused(ringlet("listen", *args, **there), 2, error, cure)


# --- By hand ---


def event(data_type: str = "sleep", event_type: str = "update", **more: str) -> Event:
    given = {"object_id": "5f2e", "event_time": "2026-03-01T12:00:00.123+02:00", "user_id": "wearer"} | more
    return Event(data_type=data_type, event_type=event_type, **given)


@pytest.mark.parametrize(
    ("patterns", "wanted"),
    [
        (None, [("sleep", "update"), ("tag", "create"), ("a_new_type", "a_new_word")]),
        ("sleep.*", [("sleep", "create"), ("sleep", "delete")]),
        ("sleep", [("sleep", "create")]),
        ("*.delete", [("sleep", "delete"), ("meal", "delete")]),
        (" Daily_*.update , tag.* ", [("daily_sleep", "update"), ("tag", "delete")]),
    ],
)
def test_patterns(patterns: str | None, wanted: list[tuple[str, str]]) -> None:
    wants = wanted_events(patterns)
    assert all(wants(event(*one)) for one in wanted)
    if patterns:
        assert not wants(event("workout", "create"))
        assert not wants(event("sleep_time", "update"))


def test_a_pattern_that_names_nothing_is_refused() -> None:
    with pytest.raises(UsageError, match="matches none of the events"):
        wanted_events("sleep.update,heartrate.update")


def test_a_line_moves_no_cursor() -> None:
    odd = event(object_id="5f\x1b[2J2e", user_id="a\r\nb", event_time="long\x07ago")
    assert line(odd).isprintable()
    assert line(event()).startswith("2026-03-01 10:00:00  sleep.update  ")


def test_a_line_for_programs_is_ascii_and_the_same_event() -> None:
    odd = event(object_id="5f\x1b[2J\x9b2J\u202e\n", user_id="é")
    assert json_line(odd).isascii()
    assert json_line(odd).isprintable()
    assert Event(**json.loads(json_line(odd))) == odd
