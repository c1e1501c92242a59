"""The control API needs the admin token; users, tokens, faults and the clock change as it is told."""

import json

import pytest

from ringlet import __version__

ADMIN_ONLY = [
    *(("GET", path) for path in ("requests", "clock", "users", "faults")),
    *(("GET", path) for path in ("events", "deliveries", "deliveries/1")),
    *(("POST", path) for path in ("clock", "tokens", "users", "faults", "trigger")),
    *(("POST", path) for path in ("deliveries/replay", "deliveries/1/replay")),
    *(("DELETE", path) for path in ("faults", "faults/1")),
]


def test_health_is_open_to_all(live):
    assert live("/_ringlet/health").json == {"status": "ok", "version": __version__}


@pytest.mark.parametrize(("method", "path"), ADMIN_ONLY)
def test_everything_else_needs_the_admin_token(live, method, path):
    before = live.cloud.clock.now()
    for headers in (
        {},
        {"authorization": ""},
        {"authorization": "Bearer "},
        {"authorization": "Bearer wrong"},
        {"authorization": live.cloud.admin_token},
        {"authorization": f"Bearer {live.cloud.admin_token}x"},
        {"authorization": "Bearer é"},
        {"authorization": f"Bearer {live.token()}"},
    ):
        answer = live(f"/_ringlet/{path}", method=method, headers=headers, body=b'{"advance": 60}')
        assert answer.status == 401
        assert live.cloud.admin_token not in answer.text
    assert live.cloud.clock.now() == before


def test_admin_tokens_differ_from_cloud_to_cloud(make_cloud):
    assert len({make_cloud().cloud.admin_token for _ in range(5)}) == 5


def test_a_token_for_a_wearer(live):
    issued = live.admin("tokens", method="POST", user="wearer").json
    assert live("sleep", token=issued["access_token"]).status == 200
    assert "refresh_token" not in issued
    narrow = live.admin("tokens", method="POST", user="wearer", scopes=["daily"]).json["access_token"]
    assert live("sleep", token=narrow).status == 200
    assert live("heartrate", token=narrow).status == 401


def test_an_unknown_user_gets_no_token(live):
    answer = live.admin("tokens", method="POST", user="nobody")
    assert answer.status == 404
    assert "wearer" in answer.json["detail"], "it says who there is"


@pytest.mark.parametrize("body", [b"", b"null", b'{"user": 1}', b'{"user": "wearer", "scope": "daily"}'])
def test_a_request_for_a_token_that_makes_no_sense_is_422(live, body):
    assert live("/_ringlet/tokens", method="POST", token=live.cloud.admin_token, body=body).status == 422


def test_requests_are_listed_and_filtered_by_path(live):
    token = live.token()
    live("sleep", "start_date=2026-02-01&end_date=2026-02-02", token=token)
    live("daily_sleep/none", token=token)
    live("sleep", "start_date=soon", token=token)
    seen = live.admin("requests").json
    assert [(one["method"], one["path"].rpartition("usercollection/")[2], one["status"]) for one in seen] == [
        ("GET", "sleep", 200),
        ("GET", "daily_sleep/none", 404),
        ("GET", "sleep", 422),
    ]
    assert seen[0]["query"] == "start_date=2026-02-01&end_date=2026-02-02"
    assert seen[0]["at"] <= seen[1]["at"] <= seen[2]["at"]
    filtered = live.admin("requests", query="path=/v2/usercollection/daily").json
    assert [one["status"] for one in filtered] == [404]


def test_the_list_contains_no_token(live):
    token = live.token()
    live("sleep", f"access_token={token}", method="POST")
    live("sleep", token=token)
    assert token not in json.dumps(live.admin("requests").json)
