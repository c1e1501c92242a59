"""`ringlet serve`: the black-box contract that other programs drive it by."""

import json
import re
import signal
import socket
import time
import urllib.error
import urllib.request
from urllib.parse import urlsplit

import pytest

from ringlet._cli.account.login_application import DEFAULT_REDIRECT_URI
from ringlet._cli.cloud.serve import PORT

from ...timed import below

KEYS = [
    "api",
    "dashboard",
    "user_id",
    "access_token",
    "refresh_token",
    "client_id",
    "client_secret",
    "redirect_uris",
    "admin_token",
]


def get(url, token=None):
    request = urllib.request.Request(url, headers={"authorization": f"Bearer {token}"} if token else {})
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.load(answer)


def first_line(cloud):
    return json.loads(cloud.stdout.readline())


def ended(cloud, number=signal.SIGTERM):
    cloud.send_signal(number)
    _, said = cloud.communicate(timeout=30)
    return cloud.returncode, said


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_first_line_says_how_to_get_in_and_a_signal_ends_it_well(ringlet, number):
    cloud = ringlet.start("serve", "--demo", "--days", "3", "--port", "0", "--ready", "json")
    ready = first_line(cloud)
    assert list(ready) == KEYS
    assert ready["dashboard"] is None
    assert ready["redirect_uris"]
    me = get(f"{ready['api']}/v2/usercollection/personal_info", ready["access_token"])
    assert me["id"] == ready["user_id"]
    assert get(f"{ready['api']}/_ringlet/clock", ready["admin_token"])["frozen"] is False
    assert ended(cloud, number) == (0, "")
    assert not list(ringlet.home.rglob("*.db")), "a demo without --db leaves nothing behind"


def test_without_demo_there_are_no_credentials_to_tell(ringlet, synced):
    cloud = ringlet.start("serve", "--db", synced, "--port", "0", "--ready", "json")
    ready = first_line(cloud)
    assert list(ready) == ["api", "dashboard", "admin_token"]
    assert get(f"{ready['api']}/_ringlet/health")["status"] == "ok"
    assert ended(cloud)[0] == 0


def test_a_synced_archive_is_a_replica(ringlet, synced, ready):
    """What a client reads from the served archive is, byte for byte, what it read from the first cloud."""
    cloud = ringlet.start("serve", "--db", synced, "--port", "0", "--ready", "json", "--admin-token", "mine")
    replica = first_line(cloud)
    assert replica["admin_token"] == "mine"
    mint = urllib.request.Request(
        f"{replica['api']}/_ringlet/tokens",
        data=json.dumps({"user": ready["user_id"]}).encode(),
        headers={"authorization": "Bearer mine"},
    )
    with urllib.request.urlopen(mint, timeout=30) as answer:
        token = json.load(answer)["access_token"]
    path = "/v2/usercollection/sleep?start_date=2015-01-01&end_date=2100-01-01"
    bodies = []
    for api, opens in ((ready["api"], ready["access_token"]), (replica["api"], token)):
        request = urllib.request.Request(api + path, headers={"authorization": f"Bearer {opens}"})
        with urllib.request.urlopen(request, timeout=30) as answer:
            bodies.append(answer.read())
    assert bodies[0] == bodies[1]
    assert len(bodies[0]) > 10_000
    assert ended(cloud)[0] == 0


def test_people_get_lines_to_copy(ringlet):
    cloud = ringlet.start("serve", "--demo", "--days", "3", "--port", "0")
    said = "".join(iter(cloud.stdout.readline, "  stop     ^C\n"))
    assert "/portal\n" in said
    assert "export OURA_API_BASE_URL=http://127.0.0.1:" in said
    assert " OURA_ACCESS_TOKEN=_0XRNGLT_" in said
    assert 'curl -H "Authorization: Bearer ' in said
    assert re.search(r" export OURA_CLIENT_ID=\S+ OURA_CLIENT_SECRET=\S+\n", said)
    assert " export RINGLET_ADMIN_TOKEN=" in said
    assert ended(cloud) == (0, "")


def test_people_with_an_archive_learn_how_to_make_a_token(ringlet, synced, ready):
    cloud = ringlet.start("serve", "--db", synced, "--port", "0")
    said = "".join(iter(cloud.stdout.readline, "  stop     ^C\n"))
    assert "/_ringlet/tokens" in said
    assert re.search(r" export RINGLET_ADMIN_TOKEN=\S+ ", said)
    assert ready["user_id"] in said
    assert ended(cloud)[0] == 0


def test_a_frozen_clock_gives_the_same_day_twice(ringlet):
    days = []
    for _ in range(2):
        cloud = ringlet.start(
            *("serve", "--demo", "--days", "3", "--port", "0", "--ready", "json"),
            *("--clock", "frozen:2026-03-01T12:00:00Z", "--seed", "9", "--profile", "docs"),
        )
        ready = first_line(cloud)
        url = f"{ready['api']}/v2/usercollection/daily_sleep?start_date=2026-02-01&end_date=2026-04-01"
        days.append(get(url, ready["access_token"])["data"])
        assert ended(cloud)[0] == 0
    assert days[0] == days[1]
    assert max(day["day"] for day in days[0]) == "2026-03-01"


def test_a_demo_on_disk_is_taken_up_again(ringlet, tmp_path):
    """The second start adds nothing: the application is the same, so that what it subscribed to goes on."""
    readies = []
    for _ in range(2):
        cloud = ringlet.start(
            *("serve", "--demo", "--days", "3", "--port", "0", "--ready", "json"),
            *("--clock", "frozen:2026-03-01T12:00:00Z", "--db", tmp_path / "demo.db"),
        )
        readies.append(first_line(cloud))
        assert ended(cloud)[0] == 0
    assert readies[0]["user_id"] == readies[1]["user_id"]
    assert readies[0]["client_id"] == readies[1]["client_id"]
    assert readies[0]["client_secret"] == readies[1]["client_secret"]
    held = json.loads(ringlet("status", "--db", tmp_path / "demo.db", "--json").stdout)["users"]
    assert len(held) == 1
    assert all(one["revisions"] == 0 for one in held[0]["types"])


def test_who_leaves_while_time_passes_ends_it_at_once(ringlet):
    """The clock has moved; what was not lived any more would be lived at the next start."""
    cloud = ringlet.start(
        *("serve", "--demo", "--days", "3", "--port", "0", "--ready", "json"), RINGLET_ADMIN_TOKEN="mine"
    )
    there = {"OURA_API_BASE_URL": first_line(cloud)["api"], "RINGLET_ADMIN_TOKEN": "mine"}
    advance = ringlet.start("clock", "advance", "3650d", "--settle", "0", **there)
    assert any(json.loads(ringlet("clock", "--json", **there).stdout)["ahead"] for _ in range(100))
    began = time.monotonic()
    assert ended(cloud, signal.SIGINT) == (0, "")
    assert below(time.monotonic() - began, 5)
    told = advance.communicate(timeout=30)[0]
    assert " events, " in told


def test_the_demo_keeps_out_of_somebodys_archive(ringlet, synced, refused):
    done = ringlet("serve", "--demo", "--days", "3", "--port", "0", "--db", synced)
    refused(done, 2, "would mix a simulated wearer into it", "leave --db out")


def test_the_demo_does_not_follow_ringlet_db(ringlet, synced):
    cloud = ringlet.start(
        "serve", "--demo", "--days", "3", "--port", "0", "--ready", "json", RINGLET_DB=str(synced)
    )
    assert first_line(cloud)["api"]
    assert ended(cloud)[0] == 0


def test_a_taken_port_is_the_first_thing_said_and_how_to_take_another(ringlet, refused, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        typed = ("serve", "--demo", "--port", str(port), "--admin-token", "mine", "--db", tmp_path / "a b.db")
        done = ringlet(*typed)
    line = (
        "next: ask for port 0, which is any free port:"
        f" ringlet serve --demo --admin-token ... --db '{tmp_path}/a b.db' --port 0"
    )
    refused(done, 1, f"port {port} on 127.0.0.1 is taken", line)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "example.org"])
def test_the_network_is_let_in_only_on_purpose(ringlet, refused, host):
    serve = ("serve", "--demo", "--host", host, "--port", "0")
    refused(ringlet(*serve), 2, "health data", "RINGLET_ADMIN_TOKEN")
    refused(ringlet(*serve, RINGLET_ADMIN_TOKEN="chosen-by-somebody"), 2, "health data", "RINGLET_SECRET")


def test_on_purpose(ringlet):
    cloud = ringlet.start(
        *("serve", "--demo", "--days", "3", "--port", "0", "--ready", "json", "--host", "0.0.0.0"),
        RINGLET_ADMIN_TOKEN="chosen-by-somebody",
        RINGLET_SECRET="known-to-the-team",
    )
    ready = first_line(cloud)
    assert ready["admin_token"] == "chosen-by-somebody"
    assert ready["api"].startswith("http://127.0.0.1:")
    assert get(f"{ready['api']}/_ringlet/health")["status"] == "ok"
    assert ended(cloud)[0] == 0


def test_what_is_chosen_at_the_start_is_what_it_says_of_itself(ringlet):
    cloud = ringlet.start(
        *("serve", "--demo", "--days", "3", "--port", "0", "--ready", "json"),
        *("--implicit", "--rotation", "none"),
        RINGLET_SECRET="known-to-the-team",
    )
    ready = first_line(cloud)
    assert "known-to-the-team" not in json.dumps(ready)
    described = get(f"{ready['api']}/.well-known/oauth-authorization-server")
    assert described["response_types_supported"] == ["code", "token"]
    with urllib.request.urlopen(f"{ready['api']}/portal", timeout=30) as answer:
        assert b"Passphrase" in answer.read()
    assert ended(cloud) == (0, "")


def test_a_secret_among_the_arguments_is_taken_and_remarked_upon(ringlet):
    cloud = ringlet.start(
        *("serve", "--demo", "--days", "3", "--port", "0", "--ready", "json"),
        *("--secret", "known-to-the-team", "--admin-token", "mine"),
    )
    assert first_line(cloud)["admin_token"] == "mine"
    code, said = ended(cloud)
    assert code == 0
    remarks = sorted(said.splitlines())
    assert remarks[0].startswith("--admin-token is seen by every user")
    assert remarks[1].startswith("--secret is seen by every user")
    assert remarks[1].endswith("better set RINGLET_SECRET")
    assert "known-to-the-team" not in said


def test_open_shows_the_page_where_people_begin_and_says_its_address(ringlet, tmp_path):
    """The browser is a program that notes what it was asked to open."""
    browser, noted = tmp_path / "browser", tmp_path / "opened"
    browser.write_text(f'#!/bin/sh\necho "$1" > {noted}.new && mv {noted}.new {noted}\n')
    browser.chmod(0o700)
    cloud = ringlet.start(
        *("serve", "--demo", "--days", "3", "--port", "0", "--ready", "json", "--open"), BROWSER=str(browser)
    )
    portal = f"{first_line(cloud)['api']}/portal"
    until = time.monotonic() + 20
    while not noted.exists() and time.monotonic() < until:
        time.sleep(0.02)
    assert noted.read_text() == f"{portal}\n"
    with urllib.request.urlopen(portal, timeout=30) as page:
        assert page.headers["content-type"].startswith("text/html")
    assert ended(cloud) == (0, f"opening {portal}\n")


def test_no_clock(ringlet, refused):
    refused(ringlet("serve", "--clock", "x60", "--port", "0"), 2, "'x60' is not a clock", "frozen:2026")


def test_another_file_is_left_alone(ringlet, tmp_path, refused):
    (tmp_path / "letter.txt").write_text("Dear reader, " * 1000)
    done = ringlet("serve", "--db", tmp_path / "letter.txt", "--port", "0")
    refused(done, 6, "is not a ringlet archive", "name another file")
    assert (tmp_path / "letter.txt").read_text().startswith("Dear reader")


def test_a_cloud_and_a_login_beside_it_want_different_ports():
    assert urlsplit(DEFAULT_REDIRECT_URI).port != PORT
