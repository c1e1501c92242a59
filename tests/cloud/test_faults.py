"""Answers that are lost on purpose: the work is done, and nobody hears of it."""

import http.client
import json
import subprocess
import sys
from urllib.parse import urlencode

import pytest

from ringlet.cloud.faults import Fault, Faults

URI = "https://lab.example/callback"


def test_the_list_is_kept_by_the_controls(live):
    assert live.admin("faults").json == []
    told = live.admin("faults", method="POST", path="/oauth/token", act="drop", times=2)
    assert told.status == 201
    assert told.json == {"path": "/oauth/token", "act": "drop", "probability": 1.0, "times": 2}
    assert live.admin("faults").json == [told.json]
    assert live.admin("faults", method="DELETE").status == 204
    assert live.admin("faults").json == []


@pytest.mark.parametrize(
    "wrong",
    [{"path": "oauth/token"}, {"act": "delay"}, {"probability": 1.1}, {"times": 0}, {"hosts": []}],
)
def test_a_fault_that_makes_no_sense_is_422(live, wrong):
    fault = {"path": "/oauth/token", "act": "drop"} | wrong
    assert live.admin("faults", method="POST", **fault).status == 422


def test_a_data_route_may_lose_its_answer_too(live):
    live.admin("faults", method="POST", path="/v2/usercollection/sleep", act="drop", times=1)
    token = live.token()
    assert live("sleep", token=token).body == b""
    assert live("daily_sleep", token=token).body
    assert live("sleep", token=token).body, "once was asked for"


def strikes(seed, probability):
    faults = Faults(seed)
    faults.rules.append(Fault(path="/x", act="drop", probability=probability))
    return [faults.strikes("/x") for _ in range(1000)]


def test_the_same_seed_meets_the_same_faults():
    assert strikes(1, 0.3) == strikes(1, 0.3) != strikes(2, 0.3)
    assert 200 < sum(strikes(1, 0.3)) < 400
    assert not any(strikes(1, 0.0))
    assert all(strikes(1, 1.0))


SERVED = """
import json
from ringlet.archive import Archive
from ringlet.cloud import Cloud, Rules
from ringlet.cloud.serve import bind, run

cloud = Cloud(Archive.open(":memory:"), admin_token="admin", rules=Rules(rotation="grace"))
client_id, secret = cloud.grants.apps.register("Lab", ["https://lab.example/callback"])
issued = cloud.grants.issue(client_id, cloud.archive.user("me"), ["daily"])
listener = bind("127.0.0.1", 0)
told = [listener.getsockname()[1], client_id, secret, issued.refresh_token]
run(cloud, listener, lambda: print(json.dumps(told), flush=True))
"""


def test_a_lost_answer_ends_the_connection_and_the_token_is_spent_and_nothing_is_logged():
    process = subprocess.Popen(
        [sys.executable, "-c", SERVED], stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding="utf-8"
    )
    try:
        port, client_id, secret, refresh = json.loads(process.stdout.readline())

        def post(path, body, **headers):
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
            connection.request("POST", path, body, headers)
            try:
                answer = connection.getresponse()
                return answer.status, json.loads(answer.read())
            finally:
                connection.close()

        def renew():
            client = {"client_id": client_id, "client_secret": secret}
            return post(
                "/oauth/token", urlencode({"grant_type": "refresh_token", "refresh_token": refresh} | client)
            )

        fault = json.dumps({"path": "/oauth/token", "act": "drop", "times": 1})
        assert post("/_ringlet/faults", fault, authorization="Bearer admin")[0] == 201
        with pytest.raises(http.client.IncompleteRead):
            renew()
        for _ in range(3):
            assert renew()[0] == 200, "spent by the first, and forgiven three times"
        assert renew()[1]["error"] == "invalid_grant"
    finally:
        process.terminate()
        _, complaints = process.communicate(timeout=30)
    assert complaints == ""
