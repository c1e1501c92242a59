"""The methods of each data type on `Client`, such as `client.sleep.list(start, end)`.

A *face* is the object that has these methods. `Catalog.sleep` is a row of the table, `client.sleep` the
DocumentsFace of that row, `async_client.sleep` its AsyncDocumentsFace. Each shape of data has two faces:

    row            client                 methods
    Documents      DocumentsFace          list(start, end), get(id)
    Inventory      InventoryFace          list(), get(id)
    Samples        SamplesFace            list(start, end), windows(start, end)
    LiveSamples    LiveSamplesFace        ... and latest()
    Single         SingleFace             get()

Rules of this file:
* A method only runs a flow of the row. Which requests to send and what an answer means is in `kinds`.
* The methods here block, and their docstrings list arguments and errors; those of `async_faces` refer here.
* In each class `list` is defined last, because after it the name no longer means the builtin type.
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
"""The stretch of time that one list of `windows` covers by default: some 10,000 heart rates."""


@dataclass(frozen=True)
class DocumentsFace(Generic[D]):
    """The methods of a data type whose documents each belong to a day, e.g. `client.sleep`."""

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
            MembershipEnded: the user's Oura membership has ended.
            RouteNotFound, BadRequest: the server lacks this data type, or says that the request is wrong.
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
            start: the first day, in the wearer's local time.
            end: the last day, included.
            fields: names of model fields. If given, each document is a dict with only these fields and its
                day, as plain JSON values; a field that Oura left out is not in the dict.
            exact: send the bounds and `fields` unchecked, and return all that Oura answers. Oura takes a
                bound for 00:00 UTC and compares it with a time of the document (for `sleep`:
                `bedtime_start`), so documents of the last day may be missing.

        Returns:
            A list of models (see `ringlet.models` for fields and units), or of dicts where `fields` is given.

        Raises:
            WindowError: `start` is after `end`, or a bound is not a date; nothing was sent.
            UnknownField: `fields` names what the model does not have; nothing was sent.
            NotSignedIn: no access token is configured or stored.
            OAuthError: the access token expired and could not be refreshed.
            InvalidToken, InsufficientScope: the token is refused, or lacks the scope of this data type.
            MembershipEnded: the user's Oura membership has ended.
            RouteNotFound, BadRequest: the server lacks this data type, or says that the request is wrong.
            RateLimited: too many requests, for longer than the retry policy waits.
            ServerError, ConnectionFailed: no usable answer came, after all retries.
        """
        if fields is None:
            return self.runner.run(self.kind.list(start, end, exact=exact))
        return self.runner.run(self.kind.list_fields(start, end, fields, exact=exact))


@dataclass(frozen=True)
class InventoryFace(Generic[D]):
    """The methods of a data type whose list takes no start and end: `client.ring_configuration`."""

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
            MembershipEnded: the user's Oura membership has ended.
            RouteNotFound, BadRequest: the server lacks this data type, or says that the request is wrong.
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
            fields: names of model fields. If given, each document is a dict with only these fields, as plain
                JSON values.

        Returns:
            A list of models (see `ringlet.models` for fields and units), or of dicts where `fields` is given.

        Raises:
            UnknownField: `fields` names what the model does not have; nothing was sent.
            NotSignedIn: no access token is configured or stored.
            OAuthError: the access token expired and could not be refreshed.
            InvalidToken, InsufficientScope: the token is refused, or lacks the scope of this data type.
            MembershipEnded: the user's Oura membership has ended.
            RouteNotFound, BadRequest: the server lacks this data type, or says that the request is wrong.
            RateLimited: too many requests, for longer than the retry policy waits.
            ServerError, ConnectionFailed: no usable answer came, after all retries.
        """
        if fields is None:
            return self.runner.run(self.kind.list())
        return self.runner.run(self.kind.list_fields(fields))


@dataclass(frozen=True)
class SamplesFace(Generic[D]):
    """The methods of a series of samples: `client.interbeat_interval`."""

    kind: Samples[D]
    runner: Runner

    def windows(
        self, start: datetime, end: datetime, *, stride: timedelta = DEFAULT_STRIDE
    ) -> Iterator[list[D]]:
        """The samples with start <= timestamp < end, one list per `stride`, oldest first.

        Use it for ranges too long to hold in memory: each list is requested when the loop needs it.

        Args:
            start: the first instant; a datetime with a zone.
            end: the instant to stop before; a datetime with a zone.
            stride: the stretch of time that one list covers; longer than zero.

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
            fields: names of model fields. If given, each sample is a dict with only these fields and
                `timestamp`, as plain JSON values.
            exact: send the bounds and `fields` unchecked, and return all that Oura answers, which includes
                samples at `end`.

        Returns:
            A list of models (see `ringlet.models` for fields and units), or of dicts where `fields` is given.

        Raises:
            WindowError: `start` is after `end`, or a bound is not a datetime with a zone; nothing was sent.
            UnknownField: `fields` names what the model does not have; nothing was sent.
            NotSignedIn: no access token is configured or stored.
            OAuthError: the access token expired and could not be refreshed.
            InvalidToken, InsufficientScope: the token is refused, or lacks the scope of this data type.
            MembershipEnded: the user's Oura membership has ended.
            RouteNotFound, BadRequest: the server lacks this data type, or says that the request is wrong.
            RateLimited: too many requests, for longer than the retry policy waits.
            ServerError, ConnectionFailed: no usable answer came, after all retries.
        """
        if fields is None:
            return self.runner.run(self.kind.list(start, end, exact=exact))
        return self.runner.run(self.kind.list_fields(start, end, fields, exact=exact))


@dataclass(frozen=True)
class LiveSamplesFace(SamplesFace[D]):
    """The methods of a series whose newest sample can be requested, e.g. `client.heartrate`."""

    kind: LiveSamples[D]

    def latest(self) -> D | None:
        """The newest sample, however old it is; None if the series is empty.

        Raises:
            NotSignedIn: no access token is configured or stored.
            OAuthError: the access token expired and could not be refreshed.
            InvalidToken, InsufficientScope: the token is refused, or lacks the scope of this data type.
            MembershipEnded: the user's Oura membership has ended.
            RouteNotFound, BadRequest: the server lacks this data type, or says that the request is wrong.
            RateLimited: too many requests, for longer than the retry policy waits.
            ServerError, ConnectionFailed: no usable answer came, after all retries.
        """
        return self.runner.run(self.kind.latest())


@dataclass(frozen=True)
class SingleFace(Generic[D]):
    """The method of a data type that is one object: `client.personal_info`."""

    kind: Single[D]
    runner: Runner

    def get(self) -> D:
        """The object of this data type; fields that need a scope which the user did not grant are None.

        Raises:
            NotSignedIn: no access token is configured or stored.
            OAuthError: the access token expired and could not be refreshed.
            InvalidToken, InsufficientScope: the token is refused, or lacks the scope of this data type.
            MembershipEnded: the user's Oura membership has ended.
            RouteNotFound, BadRequest: the server lacks this data type, or says that the request is wrong.
            RateLimited: too many requests, for longer than the retry policy waits.
            ServerError, ConnectionFailed: no usable answer came, after all retries.
        """
        return self.runner.run(self.kind.get())
