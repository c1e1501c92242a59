"""Faces: the methods of a row on a client that blocks, and on one that awaits.

`Catalog.sleep` is the row itself, `client.sleep` its DocumentsFace, `async_client.sleep` its
AsyncDocumentsFace. Each shape of data has a pair of faces:

    row            client                 methods
    Documents      DocumentsFace          list(start, end), get(id)
    Inventory      InventoryFace          list(), get(id)
    Samples        SamplesFace            list(start, end), windows(start, end)
    LiveSamples    LiveSamplesFace        ... and latest()
    Single         SingleFace             get()

Rules of this file:
* No logic. A method runs a flow of the row; what to ask and what an answer means stands in `kinds`.
* The faces here block and document arguments and errors; those of `async_faces` refer to them.
* `list` stands last in its class, because it hides the builtin from there on.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Generic, overload

from .kinds import D, Documents, Inventory, LiveSamples, PartialDocument, Samples, Single
from .runners import Runner
from .windows import check_instants, pieces

DEFAULT_STRIDE = timedelta(days=7)
"""How much of a series `windows` holds in memory at a time: some 10,000 heart-rate rows."""


@dataclass(frozen=True)
class DocumentsFace(Generic[D]):
    """Documents filed under days, e.g. `client.sleep`."""

    kind: Documents[D]
    runner: Runner

    def get(self, id: str) -> D:
        """One document by its id.

        Args:
            id: the `id` of a document, as a list or a webhook event names it.

        Raises:
            UsageError: this text cannot be an id; nothing was sent.
            DocumentNotFound: no document has this id, or it was deleted.
            NotSignedIn: no access token is configured or stored.
            OAuthError: the access token expired and could not be refreshed.
            InvalidToken, InsufficientScope: the token is refused, or lacks the scope of this data type.
            MembershipEnded, RouteNotFound, BadRequest: the account, this server, or Oura refuses the request.
            RateLimited: too many requests, for longer than the retry policy waits.
            ServerError, ConnectionFailed: no usable answer came, after all retries.
        """
        return self.runner.run(self.kind.get(id))

    @overload
    def list(self, start: date, end: date, *, fields: None = None, exact: bool = False) -> list[D]: ...
    @overload
    def list(
        self, start: date, end: date, *, fields: Sequence[str], exact: bool = False
    ) -> list[PartialDocument]: ...
    def list(
        self, start: date, end: date, *, fields: Sequence[str] | None = None, exact: bool = False
    ) -> list[D] | list[PartialDocument]:
        """The documents of the days `start` to `end`, both included, oldest first.

        Args:
            start: the first day, in the wearer's own time.
            end: the last day, included.
            fields: names of model fields. Given, each document is a dict with these fields and the day it is
                filed under, as plain JSON values; one that Oura left out is missing from the dict.
            exact: send the bounds and `fields` as they are, and return what comes. Oura then reads a bound as
                00:00 UTC and compares it with an instant of the document, so the last day may be missing.

        Returns:
            A list of models (see `ringlet.models` for fields and units), or of dicts where `fields` is given.

        Raises:
            WindowError: `start` is after `end`, or a bound is not a date; nothing was sent.
            UnknownField: `fields` names what the model does not have; nothing was sent.
            NotSignedIn: no access token is configured or stored.
            OAuthError: the access token expired and could not be refreshed.
            InvalidToken, InsufficientScope: the token is refused, or lacks the scope of this data type.
            MembershipEnded, RouteNotFound, BadRequest: the account, this server, or Oura refuses the request.
            RateLimited: too many requests, for longer than the retry policy waits.
            ServerError, ConnectionFailed: no usable answer came, after all retries.
        """
        if fields is None:
            return self.runner.run(self.kind.list(start, end, exact=exact))
        return self.runner.run(self.kind.list_fields(start, end, fields, exact=exact))


@dataclass(frozen=True)
class InventoryFace(Generic[D]):
    """Documents that are listed without a window: `client.ring_configuration`."""

    kind: Inventory[D]
    runner: Runner

    def get(self, id: str) -> D:
        """One document by its id.

        Args:
            id: the `id` of a document, as a list or a webhook event names it.

        Raises:
            UsageError: this text cannot be an id; nothing was sent.
            DocumentNotFound: no document has this id, or it was deleted.
            NotSignedIn: no access token is configured or stored.
            OAuthError: the access token expired and could not be refreshed.
            InvalidToken, InsufficientScope: the token is refused, or lacks the scope of this data type.
            MembershipEnded, RouteNotFound, BadRequest: the account, this server, or Oura refuses the request.
            RateLimited: too many requests, for longer than the retry policy waits.
            ServerError, ConnectionFailed: no usable answer came, after all retries.
        """
        return self.runner.run(self.kind.get(id))

    @overload
    def list(self, *, fields: None = None) -> list[D]: ...
    @overload
    def list(self, *, fields: Sequence[str]) -> list[PartialDocument]: ...
    def list(self, *, fields: Sequence[str] | None = None) -> list[D] | list[PartialDocument]:
        """All documents, oldest first.

        Args:
            fields: names of model fields. Given, each document is a dict with these fields, as plain
                JSON values.

        Returns:
            A list of models (see `ringlet.models` for fields and units), or of dicts where `fields` is given.

        Raises:
            UnknownField: `fields` names what the model does not have; nothing was sent.
            NotSignedIn: no access token is configured or stored.
            OAuthError: the access token expired and could not be refreshed.
            InvalidToken, InsufficientScope: the token is refused, or lacks the scope of this data type.
            MembershipEnded, RouteNotFound, BadRequest: the account, this server, or Oura refuses the request.
            RateLimited: too many requests, for longer than the retry policy waits.
            ServerError, ConnectionFailed: no usable answer came, after all retries.
        """
        if fields is None:
            return self.runner.run(self.kind.list())
        return self.runner.run(self.kind.list_fields(fields))


@dataclass(frozen=True)
class SamplesFace(Generic[D]):
    """Points in time, e.g. `client.interbeat_interval`."""

    kind: Samples[D]
    runner: Runner

    def windows(
        self, start: datetime, end: datetime, *, stride: timedelta = DEFAULT_STRIDE
    ) -> Iterator[list[D]]:
        """The samples with start <= timestamp < end, one list per `stride`, oldest first.

        For ranges too long to hold in memory: one list is fetched at a time, when the loop asks for it.

        Args:
            start: the first instant; a datetime with a zone.
            end: the instant to stop before; a datetime with a zone.
            stride: how much time one list holds; longer than zero.

        Raises:
            WindowError: `start` is after `end`, a bound has no zone, or `stride` is not longer than zero.
            Each step raises what `list` raises.
        """
        check_instants(start, end)
        for first, last in pieces(start, end, stride):
            yield self.list(first, last)

    @overload
    def list(
        self, start: datetime, end: datetime, *, fields: None = None, exact: bool = False
    ) -> list[D]: ...
    @overload
    def list(
        self, start: datetime, end: datetime, *, fields: Sequence[str], exact: bool = False
    ) -> list[PartialDocument]: ...
    def list(
        self, start: datetime, end: datetime, *, fields: Sequence[str] | None = None, exact: bool = False
    ) -> list[D] | list[PartialDocument]:
        """The samples with start <= timestamp < end, oldest first.

        Args:
            start: the first instant; a datetime with a zone.
            end: the instant to stop before; a datetime with a zone.
            fields: names of model fields. Given, each sample is a dict with these fields and `timestamp`, as
                plain JSON values.
            exact: send the bounds and `fields` as they are, and return what comes. Oura includes both bounds.

        Returns:
            A list of models (see `ringlet.models` for fields and units), or of dicts where `fields` is given.

        Raises:
            WindowError: `start` is after `end`, or a bound is not a datetime with a zone; nothing was sent.
            UnknownField: `fields` names what the model does not have; nothing was sent.
            NotSignedIn: no access token is configured or stored.
            OAuthError: the access token expired and could not be refreshed.
            InvalidToken, InsufficientScope: the token is refused, or lacks the scope of this data type.
            MembershipEnded, RouteNotFound, BadRequest: the account, this server, or Oura refuses the request.
            RateLimited: too many requests, for longer than the retry policy waits.
            ServerError, ConnectionFailed: no usable answer came, after all retries.
        """
        if fields is None:
            return self.runner.run(self.kind.list(start, end, exact=exact))
        return self.runner.run(self.kind.list_fields(start, end, fields, exact=exact))


@dataclass(frozen=True)
class LiveSamplesFace(SamplesFace[D]):
    """Points in time whose newest can be asked for, e.g. `client.heartrate`."""

    kind: LiveSamples[D]

    def latest(self) -> D | None:
        """The newest sample, however old it is; None if the series is empty.

        Raises:
            NotSignedIn: no access token is configured or stored.
            OAuthError: the access token expired and could not be refreshed.
            InvalidToken, InsufficientScope: the token is refused, or lacks the scope of this data type.
            MembershipEnded, RouteNotFound, BadRequest: the account, this server, or Oura refuses the request.
            RateLimited: too many requests, for longer than the retry policy waits.
            ServerError, ConnectionFailed: no usable answer came, after all retries.
        """
        return self.runner.run(self.kind.latest())


@dataclass(frozen=True)
class SingleFace(Generic[D]):
    """One object of the account: `client.personal_info`."""

    kind: Single[D]
    runner: Runner

    def get(self) -> D:
        """The object; fields that no granted scope opens are None.

        Raises:
            NotSignedIn: no access token is configured or stored.
            OAuthError: the access token expired and could not be refreshed.
            InvalidToken, InsufficientScope: the token is refused, or lacks the scope of this data type.
            MembershipEnded, RouteNotFound, BadRequest: the account, this server, or Oura refuses the request.
            RateLimited: too many requests, for longer than the retry policy waits.
            ServerError, ConnectionFailed: no usable answer came, after all retries.
        """
        return self.runner.run(self.kind.get())
