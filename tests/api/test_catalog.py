"""The table against the published specifications, and against the packages that read it.

The specifications lie beside the checkout; where they are missing, their tests are skipped.
"""

import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any, get_args, get_type_hints

import msgspec
import pytest

from ringlet import models
from ringlet._api.catalog import TYPES, Catalog, kind_named
from ringlet._api.kinds import Documents, Inventory, LiveSamples, Samples, Single
from ringlet._oauth.scopes import SCOPES, scope_name
from ringlet._person.person import DOCUMENTS, SERIES

from ..paths import REFERENCE, SOURCE

SPECS = {
    path.stem.removeprefix("openapi-"): json.loads(path.read_bytes())
    for path in sorted(REFERENCE.glob("openapi/openapi-*.json"))
}
ROOT = "/v2/usercollection/"
IN_OLDER_VERSIONS_ONLY = {"interbeat_interval"}
WRITTEN = {*DOCUMENTS, *SERIES, "personal_info"}
"""The data types that the simulated wearer has; a table of its own names them."""

needs_specs = pytest.mark.skipif(not SPECS, reason="the specifications lie beside the checkout")
each_spec = pytest.mark.parametrize("version", SPECS)


def routes(version: str) -> dict[str, dict[str, Any]]:
    """What follows /v2/usercollection/, and the operation there."""
    paths = SPECS[version]["paths"]
    return {path.removeprefix(ROOT): it["get"] for path, it in paths.items() if path.startswith(ROOT)}


def described(version: str) -> set[str]:
    """The data types of a specification."""
    return {path.removesuffix("/{document_id}") for path in routes(version)}


def parameters(operation: dict[str, Any]) -> set[str]:
    return {it["name"] for it in operation.get("parameters", []) if it["in"] == "query"}


def test_every_model_is_that_of_a_row_or_a_part_of_another_model() -> None:
    structs = {
        it
        for it in vars(models).values()
        if isinstance(it, type) and issubclass(it, msgspec.Struct) and it.__module__ == models.__name__
    }
    parts = {
        part
        for it in structs
        for hint in get_type_hints(it).values()
        for part in structs & set(mentioned(hint))
    }
    assert structs == parts | {kind.model for kind in TYPES.values()}


def mentioned(hint: object) -> Iterator[object]:
    """A type and its arguments, theirs too: `list[A] | None` mentions A."""
    yield hint
    for argument in get_args(hint):
        yield from mentioned(argument)


def test_every_type_that_the_simulated_wearer_writes_is_in_the_table() -> None:
    assert set(TYPES) >= WRITTEN


@needs_specs
def test_the_simulated_wearer_writes_every_type_of_the_specifications() -> None:
    """A row that is newer than the specifications stored here may wait for its documents."""
    assert set().union(*map(described, SPECS)) == WRITTEN


def test_a_row_knows_its_name_and_its_route() -> None:
    for name, kind in TYPES.items():
        assert getattr(Catalog, name) is kind
        assert kind.name == name
        assert kind.route == ROOT + name


def test_the_readme_counts_the_data_types() -> None:
    assert f"fetched {len(TYPES)} data types" in (SOURCE.parents[1] / "README.md").read_text("utf-8")


def test_a_data_type_is_found_by_any_spelling_of_its_name() -> None:
    for name, kind in TYPES.items():
        for spelling in (name, name.upper(), name.lower(), name.replace("_", "-")):
            assert kind_named(spelling) is kind
    with pytest.raises(KeyError):
        kind_named("daily_steps")


@each_spec
def test_every_route_of_the_specification_is_a_row(version: str) -> None:
    assert described(version) <= set(TYPES)


@needs_specs
def test_the_newest_specification_has_every_earlier_type_but_for_what_oura_withdrew() -> None:
    newest = max(SPECS, key=lambda version: [int(part) for part in version.split(".")])
    assert set().union(*map(described, SPECS)) - described(newest) == IN_OLDER_VERSIONS_ONLY


@each_spec
def test_a_row_has_the_verbs_and_the_window_that_the_specification_gives_it(version: str) -> None:
    found = routes(version)
    for path, kind in TYPES.items():
        if path not in found:
            continue
        takes = parameters(found[path])
        assert (f"{path}/{{document_id}}" in found) == isinstance(kind, Documents | Inventory)
        assert set(kind.bounds) <= takes or isinstance(kind, Inventory | Single)
        assert not takes & {"start_date", "end_date", "start_datetime", "end_datetime"} - set(kind.bounds)
        # 1.29 describes `latest` for interbeat_interval too, which was withdrawn before anybody saw it work.
        assert ("latest" in takes) <= (isinstance(kind, LiveSamples) or path in IN_OLDER_VERSIONS_ONLY)
        assert ("next_token" in takes) == (not isinstance(kind, Single))


@needs_specs
def test_webhook_names_are_those_of_the_specification() -> None:
    names = SPECS["1.37"]["components"]["schemas"]["ExtApiV2DataType"]["enum"]
    ours = [kind.webhook for name, kind in TYPES.items() if kind.webhook and name in described("1.37")]
    assert sorted(ours) == sorted(set(names) - {"meal"}), "a meal has a webhook but no route"


def test_webhooks_name_a_type_as_rest_does_but_for_capitals() -> None:
    for name, kind in TYPES.items():
        assert kind.webhook in ("", name.lower())


@pytest.mark.parametrize("version", [it for it in SPECS if "securitySchemes" in SPECS[it]["components"]])
def test_the_scopes_of_the_specification_are_among_the_portal_s(version: str) -> None:
    flows = SPECS[version]["components"]["securitySchemes"]["OAuth2"]["flows"]
    assert {scope_name(it) for it in flows["authorizationCode"]["scopes"]} <= set(SCOPES)


def test_every_scope_of_a_row_is_one_the_portal_offers() -> None:
    assert {kind.scope for kind in TYPES.values()} <= set(SCOPES)
    assert set(SCOPES) - {kind.scope for kind in TYPES.values()} == {"email"}


def test_the_fields_a_row_speaks_of_are_fields_of_its_model() -> None:
    for name, kind in TYPES.items():
        fields = kind.model.__struct_fields__
        spoken: set[str] = {"id"} if isinstance(kind, Documents | Inventory | Single) else set()
        if isinstance(kind, Documents):
            spoken |= {kind.day, kind.instant}
        if isinstance(kind, Samples):
            spoken |= {kind.instant}
        assert spoken <= set(fields), name


def test_no_two_rows_share_a_model_and_fields_are_called_what_oura_calls_them() -> None:
    assert len({kind.model for kind in TYPES.values()}) == len(TYPES)
    for kind in TYPES.values():
        assert all(it.name == it.encode_name for it in msgspec.structs.fields(kind.model))


def test_a_backfill_s_stride_goes_forward() -> None:
    assert all(timedelta(days=1) <= kind.stride <= timedelta(days=366) for kind in TYPES.values())
