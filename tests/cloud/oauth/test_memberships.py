"""A wearer whose membership has ended: their data is refused, everything else goes on."""

from ringlet._api.catalog import TYPES
from ringlet._api.wire import Request, Response, refusal
from ringlet.errors import MembershipEnded


def test_every_data_route_but_the_sandbox_is_403_and_tokens_still_renew(live):
    token, personal = live.token(), live.cloud.grants.personal.create(live.user, "")
    assert live("sleep", token=token).status == 200
    live.admin("users", method="POST", user="wearer", membership="expired")
    for kind in TYPES.values():
        for shown in (token, personal):
            assert live(kind.name, token=shown).status == 403
    assert live("sleep/some-id", token=token).status == 403
    assert live("/v2/sandbox/usercollection/sleep", token=token).status == 200

    apps = live.cloud.grants.apps
    app = apps.authenticate(*apps.register("Lab", ["https://lab.example/"]))
    first = live.cloud.grants.issue(app.client_id, live.user, ["daily"])
    assert live.cloud.grants.refresh(app, first.refresh_token).access_token

    live.admin("users", method="POST", user="wearer", membership="active")
    assert live("sleep", token=token).status == 200


def test_the_client_raises_the_error_of_an_ended_membership(live):
    token = live.token()
    live.cloud.grants.memberships.end(live.user)
    answer = live("sleep", token=token)
    told = refusal(Request(path="sleep"), Response(answer.status, answer.body, answer.headers))
    assert isinstance(told, MembershipEnded)


def test_others_are_not_touched(live):
    live.cloud.archive.user("other")
    token = live.token()
    live.admin("users", method="POST", user="other", membership="expired")
    assert live("sleep", token=token).status == 200
    assert live.admin("users").json == [
        {"user": "wearer", "membership": "active"},
        {"user": "other", "membership": "expired"},
    ]


def test_a_membership_can_be_set_twice_and_only_of_a_known_user(live):
    for word in ("expired", "expired", "active", "active"):
        answer = live.admin("users", method="POST", user="wearer", membership=word)
        assert answer.json == {"user": "wearer", "membership": word}
    assert live.admin("users", method="POST", user="nobody", membership="active").status == 404
    assert live.admin("users", method="POST", user="wearer", membership="paused").status == 422
