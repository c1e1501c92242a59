"""What programs write as `ringlet.webhooks`: all of it is there, under one name."""

from ringlet import webhooks
from ringlet._receiver import answers, receiver
from ringlet._webhooks import events, subscriptions


def test_everything_it_names_is_there() -> None:
    rooms = events, subscriptions, receiver, answers
    for name in webhooks.__all__:
        assert any(getattr(room, name, None) is getattr(webhooks, name) for room in rooms), name
    assert sorted(webhooks.__all__) == sorted(set(webhooks.__all__))
