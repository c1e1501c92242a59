"""The faces: one row of the table, seen from the class, a client that blocks and one that awaits."""

import asyncio
import inspect
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from ringlet._api.async_faces import (
    AsyncDocumentsFace,
    AsyncInventoryFace,
    AsyncLiveSamplesFace,
    AsyncSamplesFace,
    AsyncSingleFace,
)
from ringlet._api.catalog import TYPES, Catalog
from ringlet._api.faces import DocumentsFace, InventoryFace, LiveSamplesFace, SamplesFace, SingleFace
from ringlet._api.runners import AsyncRunner, Runner
from ringlet._api.wire import Flow, R, Request, Response
from ringlet.errors import WindowError

DAY = date(2026, 1, 10)
NOW = datetime(2026, 1, 10, 12, tzinfo=UTC)
EMPTY = Response(200, b'{"data":[]}')
PAIRS: list[tuple[type, type]] = [
    (DocumentsFace, AsyncDocumentsFace),
    (InventoryFace, AsyncInventoryFace),
    (SamplesFace, AsyncSamplesFace),
    (LiveSamplesFace, AsyncLiveSamplesFace),
    (SingleFace, AsyncSingleFace),
]


@dataclass
class Desk(Catalog, Runner):
    """A client whose Oura has nothing, and which remembers what was asked."""

    answer: Response = EMPTY
    asked: list[Request] = field(default_factory=list[Request])

    def run(self, flow: Flow[R]) -> R:
        try:
            request = next(flow)
            while True:
                self.asked.append(request)
                request = flow.send(self.answer)
        except StopIteration as done:
            value: R = done.value
            return value


@dataclass
class AsyncDesk(Catalog, AsyncRunner):
    """The same, awaited."""

    desk: Desk = field(default_factory=Desk)

    async def run(self, flow: Flow[R]) -> R:
        return self.desk.run(flow)


def test_the_class_has_rows_a_client_has_faces() -> None:
    desk, waiting = Desk(), AsyncDesk()
    for name, kind in TYPES.items():
        assert getattr(Catalog, name) is kind
        assert getattr(desk, name).kind is getattr(waiting, name).kind is kind
        assert (type(getattr(desk, name)), type(getattr(waiting, name))) in PAIRS


@pytest.mark.parametrize(("face", "awaited"), PAIRS, ids=lambda it: it.__name__)
def test_both_faces_have_the_same_methods_with_the_same_parameters(face: type, awaited: type) -> None:
    def methods(of: type) -> dict[str, list[inspect.Parameter]]:
        return {
            name: list(inspect.signature(it).parameters.values())
            for name, it in inspect.getmembers(of, inspect.isfunction)
            if not name.startswith("_")
        }

    assert methods(face) == methods(awaited)
    assert methods(face)


QUESTIONS: list[Callable[[Any], Any]] = [
    lambda client: client.daily_sleep.list(DAY, DAY),
    lambda client: client.daily_sleep.list(DAY, DAY, exact=True),
    lambda client: client.daily_sleep.list(DAY, DAY, fields=["score"]),
    lambda client: client.ring_configuration.list(),
    lambda client: client.ring_configuration.list(fields=["size"]),
    lambda client: client.heartrate.list(NOW, NOW),
    lambda client: client.heartrate.list(NOW, NOW, exact=True),
    lambda client: client.interbeat_interval.list(NOW, NOW, fields=["ibi"]),
    lambda client: client.heartrate.latest(),
]


@pytest.mark.parametrize("question", QUESTIONS)
def test_both_faces_ask_the_same_and_return_the_same(question: Callable[[Any], Any]) -> None:
    desk, waiting = Desk(), AsyncDesk()
    assert question(desk) == asyncio.run(question(waiting))
    assert desk.asked == waiting.desk.asked != []


@pytest.mark.parametrize("name", ["sleep", "ring_configuration"])
def test_one_by_its_id(name: str) -> None:
    body = Response(200, b'{"id":"x","day":"2026-01-10","bedtime_start":"2026-01-10T01:00:00+01:00"}')
    desk, waiting = Desk(body), AsyncDesk(Desk(body))
    assert getattr(desk, name).get("x") == asyncio.run(getattr(waiting, name).get("x"))
    assert desk.asked == waiting.desk.asked


def test_one_object() -> None:
    body = Response(200, b'{"id":"me"}')
    assert Desk(body).personal_info.get() == asyncio.run(AsyncDesk(Desk(body)).personal_info.get())


def test_windows_ask_for_a_piece_only_when_it_is_wanted() -> None:
    async def awaited(desk: Desk) -> None:
        walk = AsyncDesk(desk).heartrate.windows(NOW, NOW + timedelta(days=30), stride=timedelta(days=10))
        for count in (1, 2, 3):
            assert await anext(walk) == []
            assert len(desk.asked) == count
        assert [piece async for piece in walk] == []

    blocking, waiting = Desk(), Desk()
    walk = blocking.heartrate.windows(NOW, NOW + timedelta(days=30), stride=timedelta(days=10))
    for count in (1, 2, 3):
        assert next(walk) == []
        assert len(blocking.asked) == count
    assert list(walk) == []
    asyncio.run(awaited(waiting))
    assert waiting.asked == blocking.asked
    bounds = [(one.params["start_datetime"], one.params["end_datetime"]) for one in blocking.asked]
    assert [end for _, end in bounds[:-1]] == [start for start, _ in bounds[1:]]


def test_windows_refuse_what_cannot_be_meant() -> None:
    async def awaited() -> None:
        await anext(AsyncDesk().heartrate.windows(NOW, NOW - timedelta(days=1)))

    with pytest.raises(WindowError):
        next(Desk().heartrate.windows(NOW, NOW - timedelta(days=1)))
    with pytest.raises(WindowError):
        asyncio.run(awaited())
