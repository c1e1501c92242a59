"""Finds out which documents of the archive Oura has deleted.

Rules of this file:
* A document that a list lacks may still exist, because Oura's lists have been incomplete by mistake. The
  document is requested by its id, and deleted from the archive only if the server answers 404.
* A document without an id, or with an id that cannot be part of a path, cannot be requested and is kept.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from .._api.catalog import AnyKind
from .._api.kinds import decode
from .._archive.archive import Archive
from .._client.client import AsyncClient
from ..errors import DocumentNotFound, UsageError
from .plan import Window


class _WithId(msgspec.Struct):
    id: str | None = None


def missing_ids(
    archive: Archive, user: int, kind: AnyKind, window: Window, pages: Iterable[bytes]
) -> list[str]:
    """The ids of the documents that the archive has in a window and the fetched pages lack.

    Raises ServerError if a page is not a list of documents.
    """
    stored = archive.ids(user, kind, window.start, window.end)
    if not stored:
        return []
    return sorted(
        stored.difference(document.id for page in pages for document in decode(page, list[_WithId]))
    )


async def request_documents(
    client: AsyncClient, kind: AnyKind, ids: Iterable[str]
) -> dict[str, bytes | None]:
    """Request documents by their ids. Returns each id with its document, or with None if the server has none.

    An id that cannot be part of a path is left out of the result.
    """
    found: dict[str, bytes | None] = {}
    for id in ids:
        try:
            found[id] = await client.run(kind.raw_document(id))
        except DocumentNotFound:
            found[id] = None
        except UsageError:  # The id cannot be part of a path, so the document cannot be requested.
            continue
    return found
