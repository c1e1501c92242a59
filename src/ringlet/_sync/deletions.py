"""Documents that the archive holds and an answer leaves out: deleted, or only left out.

Rules of this file:
* A list proves nothing. What it leaves out is asked for by its id, and only what is not there either has
  been deleted: an answer that is short by mistake loses nothing.
* What goes by its day, for want of an id, cannot be asked for and stays. So does what has an id that no path
  can name.
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


class _Named(msgspec.Struct):
    id: str | None = None


def left_out(archive: Archive, user: int, kind: AnyKind, window: Window, pages: Iterable[bytes]) -> list[str]:
    """The ids of what the archive holds of a window and its pages do not. Raises ServerError."""
    held = archive.ids(user, kind, window.start, window.end)
    if not held:
        return []
    return sorted(held.difference(one.id for page in pages for one in decode(page, list[_Named])))


async def look_up(client: AsyncClient, kind: AnyKind, ids: Iterable[str]) -> dict[str, bytes | None]:
    """Each document by its id that can be asked for; None for one that is not there."""
    found: dict[str, bytes | None] = {}
    for id in ids:
        try:
            found[id] = await client.run(kind.raw_document(id))
        except DocumentNotFound:
            found[id] = None
        except UsageError:
            continue
    return found
