"""Conformance: every data operation of the official specifications, asked of a running cloud.

Each is asked of `ringlet serve --demo --profile docs` over HTTP, and its answer is held against the schema
that the specification gives for it. Where a list may also be answered by free-form objects (the sparse form
of `fields`), it is held against the model.
"""

import json
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path
from urllib.parse import urlencode

import pytest
from jsonschema import Draft202012Validator
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

from ringlet.catalog import TYPES
from ringlet.cloud.openapi import document
from ringlet.kinds import ROOT, SANDBOX, Documents, Inventory, LiveSamples, Samples, Single
from ringlet.oauth import SCOPES

SPECS = {
    path.stem.removeprefix("openapi-"): json.loads(path.read_bytes())
    for path in sorted(
        Path(__file__).resolve().parents[2].parent.glob("shared/reference/openapi/openapi-*.json")
    )
}
DATA_OPERATIONS = {"1.27": 67, "1.29": 71, "1.37": 69}
"""How many there are; the six others of each are webhook subscriptions."""


def operations(spec):
    """(path, operation) of every data route."""
    return [
        (path, one)
        for path, methods in spec["paths"].items()
        for method, one in methods.items()
        if path.startswith((ROOT, SANDBOX)) and method == "get"
    ]


def schema_of(operation):
    """What a 200 looks like; of several forms, the model."""
    schema = operation["responses"]["200"]["content"]["application/json"]["schema"]
    arms = [arm for arm in schema.get("anyOf", [schema]) if not arm["$ref"].endswith("Dict")]
    assert len(arms) == 1
    return arms[0]


def validator(spec):
    """Validates against a schema whose references are looked up in the whole document, formats included."""
    registry = Registry().with_resource("urn:spec", Resource(contents=spec, specification=DRAFT202012))

    def flaws(schema, value):
        found = Draft202012Validator(
            {"$ref": "urn:spec" + schema["$ref"]},
            registry=registry,
            format_checker=Draft202012Validator.FORMAT_CHECKER,
        )
        return [f"{error.json_path}: {error.message}"[:300] for error in found.iter_errors(value)]

    return flaws


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    """The real program as other programs drive it; it holds the two months up to 20 February 2026."""
    home = tmp_path_factory.mktemp("home")
    command = ["-m", "ringlet.cli", "serve", "--demo", "--profile", "docs", "--days", "60", "--port", "0"]
    command += ["--ready", "json", "--clock", "frozen:2026-02-20T12:00:00Z"]
    with subprocess.Popen(
        [sys.executable, *command],
        env={"HOME": str(home), "PATH": ""},
        stdout=subprocess.PIPE,
        encoding="utf-8",
    ) as process:
        try:
            yield json.loads(process.stdout.readline())
        finally:
            process.terminate()


@pytest.fixture(scope="module")
def get(running):
    def ask(path, **query):
        request = urllib.request.Request(
            f"{running['api']}{path}?{urlencode(query)}",
            headers={"authorization": f"Bearer {running['access_token']}"},
        )
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.load(answer)

    return ask


def first_page_with_documents(get, path, operation):
    """Asked for with the window parameters that the operation has; the sandbox holds less of some types."""
    names = [one["name"] for one in operation.get("parameters", ())]
    starts = ["2025-12-23", "2025-04-01"] if "start_date" in names else ["2026-02-19T00:00:00+00:00"]
    bounds = [name for name in names if name.startswith(("start_", "end_"))]
    for start in starts if bounds else [""]:
        window = (
            dict(zip(sorted(bounds, reverse=True), (start, "2026-02-20T12:00:00+00:00"), strict=True))
            if bounds
            else {}
        )
        page = get(path, **window)
        while not page["data"] and page["next_token"]:
            page = get(path, **window, next_token=page["next_token"])
        if page["data"]:
            return page
    return page


@pytest.mark.parametrize("version", SPECS)
def test_every_operation_is_answered_as_specified(get, version, capsys):
    spec = SPECS[version]
    flaws_of, flaws, asked, held = validator(spec), {}, 0, 0
    lists = {}
    every = operations(spec)
    for path, operation in every:
        if "{document_id}" in path:
            continue
        one = (
            get(path) if path.endswith("/personal_info") else first_page_with_documents(get, path, operation)
        )
        lists[path] = one.get("data")
        asked += 1
        held += len(one.get("data", [one]))
        found = flaws_of(schema_of(operation), one)
        if found or one.get("data") == []:
            flaws[path] = found[:5] or "it is empty"
    for path, operation in every:
        parent, single, _ = path.partition("/{document_id}")
        if not single:
            continue
        for listed in (lists[parent] or [])[:3]:
            one = get(f"{parent}/{listed['id']}")
            held += 1
            if found := flaws_of(schema_of(operation), one):
                flaws[path] = found[:5]
            if one != listed:
                flaws[path] = "it differs from the one in the list"
        asked += bool(lists[parent])
    with capsys.disabled():
        figures = f"{asked} of {len(every)} data operations answered as specified, {held} objects"
        sys.stdout.write(f"\n  OpenAPI {version}: {figures}\n")
    assert not flaws, json.dumps(flaws, indent=1)
    assert asked == len(every) == DATA_OPERATIONS[version]


@pytest.mark.parametrize("version", SPECS)
def test_the_check_can_fail(version):
    """A document that lacks what its model requires, or has a word where a number belongs, is found out."""
    spec = SPECS[version]
    for path, operation in operations(spec):
        if path != f"{ROOT}/daily_activity":
            continue
        for broken in ({}, {"id": "x", "steps": "many"}):
            page = {"data": [broken], "next_token": None}
            assert validator(spec)(schema_of(operation), page)
        assert not validator(spec)(schema_of(operation), {"data": [], "next_token": None})


def test_the_specifications_were_there():
    if not SPECS:
        pytest.skip("the official specifications are not beside this checkout")
    assert set(SPECS) == set(DATA_OPERATIONS)


@pytest.mark.parametrize("version", SPECS)
def test_without_a_token_every_operation_is_401(running, version):
    for path, _ in operations(SPECS[version]):
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(running["api"] + path.replace("{document_id}", "x"), timeout=60)
        with refused.value as answer:
            assert answer.code == 401
            assert set(json.load(answer)) == {"status", "title", "detail"}


# --- Our own description of it ---


def test_what_we_publish_holds_every_operation_of_every_specification():
    ours = document()["paths"]
    for version, spec in SPECS.items():
        for path, operation in operations(spec):
            assert path in ours, (version, path)
            said = {(one["name"], one["in"]) for one in operation.get("parameters", ())}
            offered = {(one["name"], one["in"]) for one in ours[path]["get"].get("parameters", ())}
            if version == max(SPECS) and path.startswith(ROOT):
                assert offered == said, path
            # 1.29 gave beats a `latest`, and the sandbox `fields`: accepted, and without effect.
            assert said - offered <= {("latest", "query"), ("fields", "query")}, (version, path)


def test_it_describes_the_table_and_nothing_else():
    paths = document()["paths"]
    listed = {f"{root}/{kind.path}" for root in (ROOT, SANDBOX) for kind in TYPES.values()}
    listed -= {f"{SANDBOX}/personal_info"}
    assert {path for path in paths if "{" not in path} == listed
    for path in paths:
        kind = TYPES[path.split("usercollection/")[1].split("/")[0]]
        assert ("{document_id}" in path) <= isinstance(kind, Documents | Inventory)
        assert {"OAuth2": [kind.scope]} in paths[path]["get"]["security"]
    flows = document()["components"]["securitySchemes"]["OAuth2"]["flows"]
    assert flows["authorizationCode"]["scopes"] == dict(SCOPES)


def test_operation_ids_are_unique_and_references_lead_somewhere():
    published = document()
    ids = [one["get"]["operationId"] for one in published["paths"].values()]
    assert len(set(ids)) == len(ids)
    text = json.dumps(published)
    for reference in {part.split('"')[0] for part in text.split('"$ref": "')[1:]}:
        at = published
        for step in reference.removeprefix("#/").split("/"):
            at = at[step]


@pytest.mark.parametrize("profile", ["live", "docs"])
def test_our_answers_are_what_we_publish(demo, demo_docs, profile):
    asked = demo if profile == "live" else demo_docs
    published = json.loads(asked("/openapi.json").body)
    assert asked("/openapi.json").headers["content-type"] == "application/json"
    registry = Registry().with_resource("urn:spec", Resource(contents=published, specification=DRAFT202012))
    token = asked.token()
    for name, kind in TYPES.items():
        query = (
            ""
            if isinstance(kind, Samples | Inventory | Single)
            else "start_date=2026-02-20&end_date=2026-03-01"
        )
        one = asked(name, query, token=token).json
        for value in one.get("data", [one]):
            model = {"$ref": f"urn:spec#/components/schemas/{kind.model.__name__}"}
            Draft202012Validator(model, registry=registry).validate(value)


def test_latest_is_described_where_it_works():
    paths = document()["paths"]
    for kind in TYPES.values():
        names = {one["name"] for one in paths[f"{ROOT}/{kind.path}"]["get"].get("parameters", ())}
        assert ("latest" in names) == isinstance(kind, LiveSamples)
