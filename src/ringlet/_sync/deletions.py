"""Finds out whether documents that the archive has and a list leaves out have been deleted.

Rules of this file:
* A list proves no deletion: it may be incomplete by mistake. Each missing document is requested by its id,
  and is deleted only if that answers 404.
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


def left_out(archive: Archive, user: int, kind: AnyKind, window: Window, pages: Iterable[bytes]) -> list[str]:
    """The ids of documents that the archive has in a window and the pages do not. Raises ServerError."""
    stored = archive.ids(user, kind, window.start, window.end)
    if not stored:
        return []
    return sorted(
        stored.difference(document.id for page in pages for document in decode(page, list[_WithId]))
    )


async def look_up(client: AsyncClient, kind: AnyKind, ids: Iterable[str]) -> dict[str, bytes | None]:
    """Request documents by their ids: their bodies, None for one that does not exist. Others are left out."""
    found: dict[str, bytes | None] = {}
    for id in ids:
        try:
            found[id] = await client.run(kind.raw_document(id))
        except DocumentNotFound:
            found[id] = None
        except UsageError:  # the id cannot be part of a path
            continue
    return found
