"""What Schemathesis cannot know of the exchange API: how lines of records are written, and which
requests a schema calls well formed although they cannot be taken.

A cursor is made by the service and carries a check of its own; a CIG of zeros is no CIG, and a code of
zeros is of nobody; a CIG and a CUP are not asked for together; a text is seldom a record, a digest seldom
that of the body, and three words with points between them are no signature. Everything else that the
description allows must be taken.
"""

import json

import schemathesis
from schemathesis.specs.openapi.checks import positive_data_acceptance

LINES = "application/x-ndjson"
SUBMISSIONS = "/submissions"
EXPORTS = "/export-tasks"
COMPARISONS = "/comparisons"
MESSAGES = "/comparisons/{comparison_id}/messages"
PROOFS = ("digest", "agid-jwt-signature", "agid-jwt-trackingevidence")


@schemathesis.serializer(LINES)
def as_lines(_context, value):
    if isinstance(value, bytes):
        return value
    return value.encode("utf-8", "surrogatepass") if isinstance(value, str) else json.dumps(value).encode()


@schemathesis.hook
def map_body(context, body):
    """Of two texts one stands inside a record, so that more than the reading of lines is tried."""
    if context.operation.path != SUBMISSIONS or not isinstance(body, str) or not body or len(body) % 2:
        return body
    if len(body) > 1000:
        return body
    text = body.encode("utf-8", "replace").decode()
    lot = {"cig": "5044003AF1", "oggetto": text, "stazione_appaltante": "00246180590"}
    return json.dumps({"schema_version": 1, "kind": "lotto", "body": lot}) + "\n"


def is_no_export(body, response):
    """Whether an export was refused although its description allows it, and rightly: he who asks has
    as many as he may have, or a code names nobody."""
    if response.status_code == 429:
        return response.json()["code"] == "troppe_richieste"
    if response.status_code != 400 or not isinstance(body, dict):
        return False
    places = {error["place"] for error in response.json().get("errors", [])}
    return (places == {"body.cig"} and set(str(body.get("cig"))) == {"0"}) or (
        places == {"body.ente"} and set(str(body.get("ente"))) == {"0"}
    )


def is_no_comparison(body, response):
    """Whether a comparison was refused although its description allows it, and rightly: a code names
    nobody, or there are as many comparisons as there may be."""
    if response.status_code == 503:
        return "retry-after" in response.headers and "confronti aperti" in response.json()["detail"]
    bodies = body.get("bodies") if isinstance(body, dict) else None
    bodies = [code for code in bodies if isinstance(code, str)] if isinstance(bodies, list) else []
    return response.status_code == 400 and any(set(str(code)) == {"0"} for code in bodies)


def is_no_message(case, response):
    """Whether bytes were refused that are no message: the description says how long they are, not how they
    are made."""
    is_message = case.operation.path == MESSAGES and case.operation.method.upper() == "POST"
    places = {error["place"] for error in response.json().get("errors", [])} if response.status_code == 400 else set()
    return is_message and places == {"body"}


def is_beyond_any_schema(case, response):
    """Whether a refusal is about what no schema can say."""
    if case.operation.path == SUBMISSIONS:
        is_signed = any(name.lower() in PROOFS for name in case.headers or {})
        is_of_signature = response.status_code == 400 and response.json()["code"] == "firma_non_valida"
        return response.status_code in (422, 409) or (is_signed and is_of_signature)
    if response.status_code == 410:
        return "cursor" in (case.query or {})
    query = case.query or {}
    if case.operation.path == EXPORTS:
        return is_no_export(case.body, response)
    if is_no_message(case, response):
        return True
    if case.operation.path == COMPARISONS:
        return is_no_comparison(case.body, response)
    places = {error["place"] for error in response.json().get("errors", [])}
    if response.status_code != 400 or len(places) != 1:
        return False
    return (
        (places == {"query.cursor"} and "cursor" in query)
        or (places == {"query.cup"} and "cig" in query and "cup" in query)
        or (places == {"query.cig"} and set(str(query.get("cig"))) == {"0"})
        or (places == {"query.ente"} and set(str(query.get("ente"))) == {"0"})
    )


@schemathesis.check
def what_is_allowed_is_taken(context, response, case):
    if response.status_code >= 400 and is_beyond_any_schema(case, response):
        return None
    return positive_data_acceptance(context, response, case)
