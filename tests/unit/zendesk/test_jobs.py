import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ticket_relay.zendesk.jobs import Job, Result, read_job

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(max_size=8) | st.sampled_from(["index", "id", "error", "details"]), inner, max_size=5)
    ),
    max_leaves=12,
)
job_like = st.fixed_dictionaries(
    {"id": st.just("V3-1") | json_values},
    optional=dict.fromkeys(("status", "message", "results", "total", "progress"), json_values),
)


@given(json_values | job_like)
@example({"id": "V3-1", "message": "\ud83d", "results": [{"index": 0, "error": "\ud83d", "details": "\ude00"}]})
def test_whatever_zendesk_sends_is_a_job_or_none(body):
    job = read_job(body)
    assert job is None or isinstance(job, Job)
    if job:
        job.message.encode()
        for result in job.results.values():
            assert result.error is None or result.error.encode()
            result.details.encode()


@pytest.mark.parametrize("body", [None, [], "V3-1", {}, {"id": None}, {"id": ""}, {"id": 7}])
def test_without_an_id_it_is_no_job(body):
    assert read_job(body) is None


def read(results, **more):
    job = read_job({"id": "V3-1", "status": "completed", "results": results} | more)
    assert job is not None
    return job.results


@pytest.mark.parametrize("results", [None, [], "?", 3, [None, "x"]])
def test_results_may_be_missing(results):
    assert read(results) == {}


def test_rows_are_found_by_their_index_in_any_order():
    rows = [{"index": 2, "id": 30}, {"index": 0, "id": 10}, {"index": 1, "error": "X", "details": "why"}]
    assert read(rows, total=3) == {0: Result(10, None, ""), 1: Result(None, "X", "why"), 2: Result(30, None, "")}


def test_the_only_row_of_a_job_about_one_ticket_is_ours_without_an_index():
    assert read([{"id": 10, "success": True}], total=1) == {0: Result(10, None, "")}
    assert read({"success": True}) == {0: Result(None, None, "")}


def test_a_row_without_index_is_nobodys_when_there_are_more_tickets():
    assert read([{"id": 10}], total=2) == {}


@pytest.mark.parametrize("row", [{"success": False}, {"error": "X"}, {"errors": ["X"]}, {"error": {"title": "X"}}])
def test_a_failed_row_has_an_error_whatever_its_shape(row):
    assert read([{"index": 0, "id": 4} | row])[0].error


@pytest.mark.parametrize(
    ("status", "over"),
    [("completed", True), ("failed", True), ("killed", True), ("queued", False), ("working", False), ("new", False)],
)
def test_an_unknown_status_is_not_an_end(status, over):
    job = read_job({"id": "V3-1", "status": status})
    assert job is not None
    assert job.over is over


def test_the_recorded_failure_of_a_creation():
    body = json.loads(
        '{"id":"8b726e606741012ffc2d782bcb7848fe","url":"https://x.zendesk.com/api/v2/job_statuses/8b72.json","total":1,'
        '"progress":0,"status":"failed","message":"Failed at 2016-03-09 14:44:16 +0000",'
        '"results":[{"index":0,"error":"TicketCreateFailed","details":"Description: cannot be blank"}]}'
    )
    job = read_job(body)
    assert job is not None
    assert job.results == {0: Result(None, "TicketCreateFailed", "Description: cannot be blank")}


def of_ticket(*rows, ticket_id=7, index=3):
    job = read_job({"id": "V3-1", "status": "completed", "total": 9, "results": list(rows)})
    assert job is not None
    return job.of_ticket(ticket_id, index)


SUCCESS = {"action": "update", "status": "Updated", "success": True}


def test_an_updates_row_is_known_by_its_ticket_in_any_order():
    rows = [
        SUCCESS | {"id": 8},
        {"index": 3, "id": 7, "error": "UpdateConflict", "details": "why"},
        SUCCESS | {"id": 9},
    ]
    assert of_ticket(*rows) == Result(7, "UpdateConflict", "why")
    assert of_ticket(*rows, ticket_id=9) == Result(9, None, "")


def test_a_row_of_our_ticket_in_another_place_of_the_job_is_not_ours():
    assert of_ticket({"index": 2, "id": 7, "error": "UpdateConflict"}) is None


def test_a_row_of_our_place_for_another_ticket_is_not_ours():
    assert of_ticket({"index": 3, "id": 8, "error": "UpdateConflict"}) is None


@pytest.mark.parametrize("row", [{"index": 3, "error": "X"}, SUCCESS, {"index": 3, "id": "7"}, {"id": None}, None, "7"])
def test_a_row_that_names_no_ticket_is_nobodys(row):
    assert of_ticket(row) is None


@given(json_values | job_like, st.integers(), st.integers())
def test_whatever_zendesk_sends_there_is_one_row_of_a_ticket_or_none(body, ticket_id, index):
    job = read_job(body)
    found = job.of_ticket(ticket_id, index) if job else None
    assert found is None or found.ticket_id == ticket_id
