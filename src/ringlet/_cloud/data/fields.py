"""Removes fields from documents: those that the parameter `fields` leaves out, or the token may not read.

Rules of this file:
* Only this file parses stored documents before they are sent. It parses only the names of their outermost
  fields. The values are sent byte for byte.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from ..._api.catalog import AnyKind

Texts = Sequence[bytes | bytearray]
"""A sequence of documents, each a JSON text."""


def select_fields(kind: AnyKind, texts: Texts, fields: str) -> Texts:
    """Keep of each document only the fields that `fields` names, and `id`, `day` and the timestamp.

    As at Oura, unknown names are ignored, and if no known name is given the documents are returned whole.
    """
    documents = msgspec.json.decode(b"[%s]" % b",".join(texts), type=list[dict[str, msgspec.Raw]])
    known = set(kind.model.__struct_fields__).union(*documents)
    wanted = {name.strip() for name in fields.split(",")} & known
    if not wanted:
        return texts
    wanted |= {"id", "day", "timestamp", kind.instant}
    slim = [{name: value for name, value in document.items() if name in wanted} for document in documents]
    return [msgspec.json.encode(document) for document in slim]


def select_scopes(kind: AnyKind, body: bytes, scopes: frozenset[str]) -> bytes:
    """Remove from a single object (personal info) all fields that a token with these scopes may not read.

    Any token may read the id. The e-mail address has a scope of its own.
    """
    if {kind.scope, "email"} <= scopes:
        return body
    fields = msgspec.json.decode(body, type=dict[str, msgspec.Raw])
    opens = {name: "email" if name == "email" else kind.scope for name in fields if name != "id"}
    return msgspec.json.encode(
        {k: v for k, v in fields.items() if opens.get(k) is None or opens[k] in scopes}
    )
