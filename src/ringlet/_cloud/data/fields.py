"""Leaves out of documents what `fields` does not name and what the token's scopes do not open.

Rules of this file:
* Only here is a stored document parsed before it is sent, and only its outermost names: values keep their
  bytes.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from ..._api.catalog import AnyKind

Texts = Sequence[bytes | bytearray]
"""Documents, one JSON text each."""


def select_fields(kind: AnyKind, texts: Texts, fields: str) -> Texts:
    """The documents with only what `fields` names, and the anchors.

    Unknown names are dropped silently, and when none is left the whole documents come back: so does Oura.
    """
    documents = msgspec.json.decode(b"[%s]" % b",".join(texts), type=list[dict[str, msgspec.Raw]])
    known = set(kind.model.__struct_fields__).union(*documents)
    wanted = {name.strip() for name in fields.split(",")} & known
    if not wanted:
        return texts
    wanted |= {"id", "day", "timestamp", kind.instant}
    slim = [{name: value for name, value in one.items() if name in wanted} for one in documents]
    return [msgspec.json.encode(one) for one in slim]


def select_scopes(kind: AnyKind, body: bytes, scopes: frozenset[str]) -> bytes:
    """A single object: the id is open to any token, the e-mail address has a scope of its own."""
    if {kind.scope, "email"} <= scopes:
        return body
    fields = msgspec.json.decode(body, type=dict[str, msgspec.Raw])
    opens = {name: "email" if name == "email" else kind.scope for name in fields if name != "id"}
    return msgspec.json.encode(
        {k: v for k, v in fields.items() if opens.get(k) is None or opens[k] in scopes}
    )
