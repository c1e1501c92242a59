"""How refusals are put: the words and statuses of both dialects, the headers of all answers."""

import json

import pytest

from ringlet._cloud.core.answers import COMMON, Invalid, ok, problem, refuse, trace_id
from ringlet.errors import BadRequest, DocumentNotFound, InsufficientScope, InvalidToken

from ...paths import SAMPLES


def sample(name):
    path = SAMPLES / name
    if not path.exists():
        pytest.skip("the recorded answers are not beside this checkout")
    return path.read_bytes()


def test_live_says_detail_and_nothing_else():
    assert json.loads(problem("live", 404, "Document not found.").body) == {"detail": "Document not found."}


def test_the_recorded_404_to_the_byte():
    answer = refuse("live", DocumentNotFound("Document not found."))
    assert (answer.status, answer.body) == (404, sample("errors/404_document_not_found.json").strip())


def test_the_documented_dialect_answers_as_rfc_7807():
    body = json.loads(problem("docs", 404, "Document not found.").body)
    assert body == {"status": 404, "title": "Not Found", "detail": "Document not found."}
    assert list(body) == list(json.loads(sample("errors/rfc7807_auth_error.json")))


@pytest.mark.parametrize(
    ("dialect", "status", "words"),
    [("live", 401, "Token not authorized"), ("docs", 403, "Missing scopes: stress")],
)
def test_a_missing_scope(dialect, status, words):
    answer = refuse(dialect, InsufficientScope("stress"))
    assert answer.status == status
    assert json.loads(answer.body)["detail"] == words


@pytest.mark.parametrize("dialect", ["live", "docs"])
@pytest.mark.parametrize(
    ("error", "status"), [(InvalidToken("no"), 401), (BadRequest("no"), 400), (DocumentNotFound("no"), 404)]
)
def test_a_refusal_keeps_the_status_of_its_error(dialect, error, status):
    answer = refuse(dialect, error)
    assert answer.status == status
    assert json.loads(answer.body)["detail"] == "no"
    assert dict(answer.headers)[b"content-length"] == b"%d" % len(answer.body)


@pytest.mark.parametrize("dialect", ["live", "docs"])
def test_a_parameter_that_does_not_parse_is_described_as_the_validator_does(dialect):
    flaw = Invalid("datetime_from_date_parsing", "start_date", "Input should be a date", "soon", error="x")
    answer = refuse(dialect, flaw)
    assert answer.status == 422
    recorded = json.loads(sample("errors/422_validation_array.json"))
    said = json.loads(answer.body)
    assert list(said) == list(recorded) == ["detail"]
    assert list(said["detail"][0]) == list(recorded["detail"][0])
    assert said["detail"][0]["loc"] == ["query", "start_date"]


def test_headers_are_those_of_the_recorded_answers():
    for name in ("errors/response_headers_200.json", "errors/response_headers_404.json"):
        recorded = json.loads(sample(name))
        for header, value in COMMON:
            assert recorded[header.decode()] == value.decode(), header


def test_an_answer_has_a_content_length():
    assert dict(ok(b"12345").headers)[b"content-length"] == b"5"


def test_trace_ids_are_32_hex_digits_and_differ():
    ids = {trace_id() for _ in range(1000)}
    assert len(ids) == 1000
    assert all(len(id) == 32 and int(id, 16) >= 0 for id in ids)
