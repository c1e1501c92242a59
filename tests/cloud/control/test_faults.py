"""What goes wrong on purpose: answers that are lost after the work, refused before it, or late."""

import http.client
import json
import subprocess
import time
from urllib.parse import urlencode

import pytest

from ringlet._cloud.control.faults import Fault, Faults

from ... import forked

URI = "https://lab.example/callback"
DEFAULTS = {"status": 503, "seconds": 1.0, "probability": 1.0, "id": 1}


def test_faults_are_added_listed_and_removed(live):
    assert live.admin("faults").json == []
    told = live.admin("faults", method="POST", path="/oauth/token", act="drop", times=2)
    assert told.status == 201
    assert told.json == {"path": "/oauth/token", "act": "drop", "times": 2} | DEFAULTS
    assert live.admin("faults").json == [told.json]
    assert live.admin("faults", method="DELETE").status == 204
    assert live.admin("faults").json == []


def test_a_fault_is_removed_by_its_id_which_the_cloud_assigns(live):
    faults = [live.admin("faults", method="POST", path="/x", act="drop", id=5).json for _ in range(3)]
    assert [one["id"] for one in faults] == [1, 2, 3]
    for _ in range(2):  # it may be used up
        assert live.admin("faults/2", method="DELETE").status == 204
    assert live.admin("faults").json == [faults[0], faults[2]]


def test_a_fault_on_every_path_can_be_ended(live):
    live.admin("faults", method="POST", path="/*", act="status")
    assert live("/_ringlet/health").status == 503
    assert live.admin("faults", method="DELETE").status == 204
    assert live("/_ringlet/health").status == 200


@pytest.mark.parametrize(
    "wrong",
    [
        {"path": "oauth/token"},
        {"act": "shout"},
        {"status": 200},
        {"seconds": -1},
        {"probability": 1.1},
        {"times": 0},
        {"hosts": []},
    ],
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
    return [faults.select("/x") is not None for _ in range(1000)]


def test_the_same_seed_meets_the_same_faults():
    assert strikes(1, 0.3) == strikes(1, 0.3) != strikes(2, 0.3)
    assert 200 < sum(strikes(1, 0.3)) < 400
    assert not any(strikes(1, 0.0))
    assert all(strikes(1, 1.0))


def test_a_status_is_answered_and_nothing_is_done(live):
    live.admin("faults", method="POST", path="/v2/*", act="status", status=500, times=1)
    token = live.token()
    refused = live("sleep", token=token)
    assert refused.status == 500
    assert refused.json["detail"]
    assert live("sleep", token=token).status == 200
    assert len(live.admin("requests").json) == 1, "the first never got there"


def test_a_delay_is_waited_for_and_the_answer_is_as_always(live):
    live.admin("faults", method="POST", path="/v2/usercollection/sleep", act="delay", seconds=0.2)
    token = live.token()
    begun = time.monotonic()
    assert live("sleep", token=token).json["data"] == []
    assert time.monotonic() - begun >= 0.2


@pytest.mark.parametrize(
    ("path", "struck"), [("/v2/a", True), ("/v2/", True), ("/v2", False), ("/oauth/v2/a", False)]
)
def test_a_star_at_the_end_means_all_that_begin_so(path, struck):
    faults = Faults(1)
    faults.rules.append(Fault(path="/v2/*", act="drop"))
    assert (faults.select(path) is not None) is struck


SERVED = """
import json
from ringlet.archive import Archive
from ringlet.cloud import Cloud, OAuthRules
from ringlet._cloud.serve import run
from ringlet._net.listen import bind

cloud = Cloud(Archive.open(":memory:"), admin_token="admin", rules=OAuthRules(rotation="grace"))
client_id, secret = cloud.grants.apps.register("Lab", ["https://lab.example/callback"])
issued = cloud.grants.issue(client_id, cloud.archive.user("me"), ["daily"])
listener = bind("127.0.0.1", 0)
told = [listener.getsockname()[1], client_id, secret, issued.refresh_token]
run(cloud, listener, lambda: print(json.dumps(told), flush=True))
"""


def test_a_lost_answer_ends_the_connection_and_the_token_is_spent_and_nothing_is_logged():
    process = forked.start(["-c", SERVED], stderr=subprocess.PIPE)
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
