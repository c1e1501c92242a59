"""What programs write as `ringlet.webhooks`: all of it is there, under one name."""

from ringlet import events, subscriptions, webhooks
from ringlet.sync import receiver


def test_everything_it_names_is_there() -> None:
    rooms = events, subscriptions, receiver
    for name in webhooks.__all__:
        assert any(getattr(room, name, None) is getattr(webhooks, name) for room in rooms), name
    assert sorted(webhooks.__all__) == sorted(set(webhooks.__all__))
