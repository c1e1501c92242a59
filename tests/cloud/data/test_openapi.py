"""Conformance: every operation of the official specifications, asked of a running cloud.

Each data operation is asked of `ringlet serve --demo --profile docs` over HTTP, and its answer is held
against the schema that the specification gives for it. Where a list may also be answered by free-form objects
(the sparse form of `fields`), it is held against the model. The six about subscriptions are asked in this
process, with a callback on a socket.
"""

import json
import sys
import urllib.error
import urllib.request
from urllib.parse import urlencode

import pytest

from ringlet._api.catalog import TYPES
from ringlet._api.kinds import ROOT, SANDBOX, Documents, Inventory, LiveSamples, Samples, Single
from ringlet._cloud.data.openapi import document
from ringlet._oauth.scopes import SCOPES
from ringlet._webhooks.subscriptions import SUBSCRIPTION_PATH
from ringlet.archive import Archive

from ...openapi_schemas import OpenAPISchemas
from ...paths import REFERENCE
from ...program import Program
from ..webhook_app import register_app_in, subscription_request

SPECS = {
    path.stem.removeprefix("openapi-"): json.loads(path.read_bytes())
    for path in sorted(REFERENCE.glob("openapi/openapi-*.json"))
}
"""The official specifications by version."""
SCHEMAS = {version: OpenAPISchemas(spec) for version, spec in SPECS.items()}
DATA_OPERATIONS = {"1.27": 67, "1.29": 71, "1.37": 69}
"""How many there are; the six others of each are webhook subscriptions."""
OPERATIONS = {"1.27": 73, "1.29": 77, "1.37": 75}
"""All of them."""


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


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    """The real program as other programs drive it; it holds the two months up to 20 February 2026."""
    program, when = Program(tmp_path_factory.mktemp("home")), "frozen:2026-02-20T12:00:00Z"
    with program.serve("--demo", "--profile", "docs", "--days", "60", "--clock", when) as ready:
        yield ready


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
    schemas, flaws, asked, held = SCHEMAS[version], {}, 0, 0
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
        found = schemas.errors(schema_of(operation), one)
        if found or one.get("data") == []:
            flaws[path] = found[:5] or "it is empty"
    for path, operation in every:
        parent, single, _ = path.partition("/{document_id}")
        if not single:
            continue
        for listed in (lists[parent] or [])[:3]:
            one = get(f"{parent}/{listed['id']}")
            held += 1
            if found := schemas.errors(schema_of(operation), one):
                flaws[path] = found[:5]
            if one != listed:
                flaws[path] = "it differs from the one in the list"
        asked += bool(lists[parent])
    with capsys.disabled():
        figures = f"{asked} of {len(every)} data operations answered as specified, {held} objects"
        sys.stdout.write(f"\n  OpenAPI {version}: {figures}\n")
    assert not flaws, json.dumps(flaws, indent=1)
    assert asked == len(every) == DATA_OPERATIONS[version]


@pytest.mark.parametrize("dialect", ["live", "docs"])
@pytest.mark.parametrize("version", SPECS)
def test_every_subscription_operation_is_answered_as_specified(runner, version, dialect, capsys):
    spec = SPECS[version]
    statuses_seen = {}
    every = {
        (method, path): one
        for path, methods in spec["paths"].items()
        for method, one in methods.items()
        if path.startswith(SUBSCRIPTION_PATH)
    }
    words = spec["components"]["schemas"]["ExtApiV2DataType"]["enum"]

    def is_as_specified(method, path, answer):
        responses = every[method, path]["responses"]
        # 401 and 409 are in no version: Oura answers them all the same.
        content = responses.get(str(answer.status), {}).get("content") if answer.body else None
        assert answer.status in (401, 409) or str(answer.status) in responses, (method, path, answer)
        if content:
            found = SCHEMAS[version].errors(content["application/json"]["schema"], answer.json)
            if dialect == "live":  # its instants have no zone, as recorded answers have none
                found = [one for one in found if not one.endswith('is not a "date-time"')]
            assert found == [], (method, path, found)
        statuses_seen.setdefault((method, path), set()).add(answer.status)

    async def all_six(app, server):
        one, renew = f"{SUBSCRIPTION_PATH}/{{id}}", f"{SUBSCRIPTION_PATH}/renew/{{id}}"
        new = {"verification_token": "token"}
        for data_type in words:
            for event_type in ("create", "update", "delete"):
                made = await app.send("POST", "", subscription_request(server.url, data_type, event_type))
                assert made.status == 201
                is_as_specified("post", SUBSCRIPTION_PATH, made)
        is_as_specified("post", SUBSCRIPTION_PATH, await app.send("POST", "", {}))
        is_as_specified(
            "post",
            SUBSCRIPTION_PATH,
            await app.send("POST", "", subscription_request("http://127.0.0.1:1/", "x")),
        )
        is_as_specified(
            "post", SUBSCRIPTION_PATH, await app.send("POST", "", subscription_request(server.url, words[0]))
        )
        is_as_specified("get", SUBSCRIPTION_PATH, await app.send("GET"))
        for id in (made.json["id"], "x"):
            is_as_specified("get", one, await app.send("GET", f"/{id}"))
            is_as_specified("put", one, await app.send("PUT", f"/{id}", new))
            is_as_specified("put", renew, await app.send("PUT", f"/renew/{id}"))
        is_as_specified("put", one, await app.send("PUT", f"/{made.json['id']}", {"data_type": 1}))
        for id in (made.json["id"], "x"):
            is_as_specified("delete", one, await app.send("DELETE", f"/{id}"))
        for method, path in every:
            nobody = {"x-client-secret": "wrong"}
            at = path.removeprefix(SUBSCRIPTION_PATH).replace("{id}", "x")
            is_as_specified(method, path, await app.send(method.upper(), at, **nobody))

    with Archive.open(":memory:") as archive:
        app = register_app_in(archive, runner, dialect=dialect)
        app.with_callback(lambda server: all_six(app, server))
    seen = {f"{method} {path}": statuses for (method, path), statuses in statuses_seen.items()}
    assert seen == {
        f"get {SUBSCRIPTION_PATH}": {200, 401},
        f"post {SUBSCRIPTION_PATH}": {201, 401, 409, 422},
        f"get {SUBSCRIPTION_PATH}/{{id}}": {200, 401, 403},
        f"put {SUBSCRIPTION_PATH}/{{id}}": {200, 401, 403, 422},
        f"delete {SUBSCRIPTION_PATH}/{{id}}": {204, 401, 403},
        f"put {SUBSCRIPTION_PATH}/renew/{{id}}": {200, 401, 403},
    }
    assert len(every) == 6
    assert len(every) + DATA_OPERATIONS[version] == OPERATIONS[version]
    assert sum(len(methods) for methods in spec["paths"].values()) == OPERATIONS[version]
    with capsys.disabled():
        sys.stdout.write(f"\n  OpenAPI {version}, {dialect}: 6 of 6 subscription operations as specified\n")


@pytest.mark.parametrize("version", SPECS)
def test_what_we_publish_of_subscriptions_is_what_was_published(version):
    """Each schema is as strict as the official one, but for words that only one version has."""
    ours, spec = document(), SPECS[version]
    for path, methods in spec["paths"].items():
        if not path.startswith(SUBSCRIPTION_PATH):
            continue
        assert set(ours["paths"][path]) == set(methods)
        for method, said in methods.items():
            offered = ours["paths"][path][method]
            assert set(said["responses"]) - {"422"} <= set(offered["responses"])
            assert offered["security"] == said["security"]
            assert ("requestBody" in offered) == ("requestBody" in said)
            named = {(one["name"], one["in"], one["required"]) for one in said.get("parameters", ())}
            assert {
                (one["name"], one["in"], one["required"]) for one in offered.get("parameters", ())
            } == named
    schemas = ours["components"]["schemas"]
    for name, theirs in spec["components"]["schemas"].items():
        if name.endswith("WebhookSubscriptionRequest") or name == "WebhookSubscriptionModel":
            assert set(schemas[name]["required"]) == set(theirs["required"])
            assert set(schemas[name]["properties"]) == set(theirs["properties"])
        if name in ("WebhookOperation", "ExtApiV2DataType"):
            assert set(theirs["enum"]) <= set(schemas[name]["enum"])
    if "securitySchemes" in spec["components"]:
        theirs = spec["components"]["securitySchemes"]
        for scheme in ("ClientIdAuth", "ClientSecretAuth"):
            offered = ours["components"]["securitySchemes"][scheme]
            assert offered.items() <= theirs[scheme].items()


@pytest.mark.parametrize("version", SPECS)
def test_the_check_can_fail(version):
    """It finds a missing property, a string in place of a number, and a day that is not in the calendar."""
    schemas = SCHEMAS[version]
    for path, operation in operations(SPECS[version]):
        if path != f"{ROOT}/daily_activity":
            continue
        for broken in ({}, {"id": "x", "steps": "many"}):
            page = {"data": [broken], "next_token": None}
            assert schemas.errors(schema_of(operation), page)
        assert not schemas.errors(schema_of(operation), {"data": [], "next_token": None})
    for format in ("date", "date-time"):
        assert schemas.errors({"type": "string", "format": format}, "2026-02-30T00:00:00Z") == [
            f': "2026-02-30T00:00:00Z" is not a "{format}"'
        ]


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
    listed = {f"{root}/{kind.name}" for root in (ROOT, SANDBOX) for kind in TYPES.values()}
    listed -= {f"{SANDBOX}/personal_info"}
    listed.add(SUBSCRIPTION_PATH)
    assert {path for path in paths if "{" not in path} == listed
    for path in paths:
        if path.startswith(SUBSCRIPTION_PATH):
            continue
        kind = TYPES[path.split("usercollection/")[1].split("/")[0]]
        assert ("{document_id}" in path) <= isinstance(kind, Documents | Inventory)
        assert {"OAuth2": [kind.scope]} in paths[path]["get"]["security"]
    flows = document()["components"]["securitySchemes"]["OAuth2"]["flows"]
    assert flows["authorizationCode"]["scopes"] == dict(SCOPES)


def test_operation_ids_are_unique_and_references_lead_somewhere():
    published = document()
    ids = [one["operationId"] for methods in published["paths"].values() for one in methods.values()]
    assert len(set(ids)) == len(ids)
    text = json.dumps(published)
    for reference in {part.split('"')[0] for part in text.split('"$ref": "')[1:]}:
        at = published
        for step in reference.removeprefix("#/").split("/"):
            at = at[step]


@pytest.mark.parametrize("dialect", ["live", "docs"])
def test_our_answers_are_what_we_publish(demo, demo_docs, dialect):
    asked = demo if dialect == "live" else demo_docs
    published = json.loads(asked("/openapi.json").body)
    assert asked("/openapi.json").headers["content-type"] == "application/json"
    schemas = OpenAPISchemas(published)
    token = asked.token()
    for name, kind in TYPES.items():
        query = (
            ""
            if isinstance(kind, Samples | Inventory | Single)
            else "start_date=2026-02-20&end_date=2026-03-01"
        )
        one = asked(name, query, token=token).json
        for value in one.get("data", [one]):
            model = {"$ref": f"#/components/schemas/{kind.model.__name__}"}
            assert schemas.errors(model, value) == [], name


def test_latest_is_described_where_it_works():
    paths = document()["paths"]
    for kind in TYPES.values():
        names = {one["name"] for one in paths[f"{ROOT}/{kind.name}"]["get"].get("parameters", ())}
        assert ("latest" in names) == isinstance(kind, LiveSamples)
