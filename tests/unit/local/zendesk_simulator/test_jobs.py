import pytest

from local.zendesk_simulator import JobPlan

TICKET = {"ticket": {"subject": "Broken", "comment": {"body": "It broke."}, "external_id": "acme:1"}}


def submit(zendesk, body=TICKET):
    accepted = zendesk.post("tickets.json?async=true", body)
    assert accepted.status == 202, accepted.text
    return accepted.json()["ticket"]["id"], accepted.json()["job_status"]["id"]


def status(zendesk, job_id):
    return zendesk.get(f"job_statuses/{job_id}").json()["job_status"]


def finished(zendesk, plan, body=TICKET):
    """The ticket's id and its job, long after it was submitted under a plan."""
    zendesk.account.jobs.plans.append(plan)
    ticket_id, job_id = submit(zendesk, body)
    zendesk.later(60)
    return ticket_id, status(zendesk, job_id)


def exists(zendesk, ticket_id):
    return zendesk.get(f"tickets/{ticket_id}").status == 200


def test_an_async_creation_answers_with_the_tickets_id_and_a_queued_job_and_nothing_else(zendesk):
    accepted = zendesk.post("tickets?async=true", TICKET).json()
    assert set(accepted) == {"ticket", "job_status"}
    assert set(accepted["ticket"]) == {"id"}
    job = accepted["job_status"]
    assert job["id"].startswith("V3-")
    assert len(job["id"]) == 35
    known = {name: job[name] for name in ("total", "progress", "status", "message", "results")}
    assert known == {"total": 1, "progress": None, "status": "queued", "message": None, "results": None}


def test_a_job_is_queued_then_working_then_completed_and_only_then_there_is_a_ticket(zendesk):
    ticket_id, job_id = submit(zendesk)
    assert status(zendesk, job_id)["status"] == "queued"
    zendesk.later(0.4)
    working = status(zendesk, job_id)
    assert (working["status"], working["message"], working["results"]) == ("working", "Creating ticket #1", None)
    assert not exists(zendesk, ticket_id)
    zendesk.later(0.4)
    done = status(zendesk, job_id)
    assert (done["status"], done["progress"]) == ("completed", 1)
    assert done["message"] == "Completed at 2026-11-18 11:06:40 +0000"
    assert done["results"] == [{"index": 0, "id": ticket_id, "account_id": 18525119}]
    assert exists(zendesk, ticket_id)


def test_the_jobs_url_names_another_host(zendesk):
    _, job_id = submit(zendesk)
    assert status(zendesk, job_id)["url"] == f"https://example.zendesk.com/api/v2/job_statuses/{job_id}.json"


def test_an_invalid_ticket_fails_its_job_as_recorded_and_its_number_is_skipped(zendesk):
    ticket_id, job_id = submit(zendesk, {"ticket": {"subject": "x"}})
    zendesk.later(1)
    job = status(zendesk, job_id)
    assert (job["status"], job["progress"]) == ("failed", 0)
    assert job["message"].startswith("Failed at ")
    assert job["results"] == [{"index": 0, "error": "TicketCreateFailed", "details": "Description: cannot be blank"}]
    assert zendesk.ticket()["id"] == ticket_id + 1


@pytest.mark.parametrize(
    ("outcome", "reported", "results", "made"),
    [
        ("failed", "failed", "a failed row", False),
        ("failed_without_results", "failed", None, False),
        ("killed", "killed", None, False),
        ("never_finishes", "working", None, False),
        ("failed_row", "completed", "a failed row", False),
        ("results_null", "completed", None, True),
        ("results_object", "completed", {"success": True}, True),
        ("row_missing", "completed", [], True),
    ],
)
def test_a_planned_outcome_is_reported_with_its_results_and_its_effect(zendesk, outcome, reported, results, made):
    ticket_id, job = finished(zendesk, JobPlan(outcome))
    if results == "a failed row":
        results = [{"index": 0, "error": "TicketCreateFailed", "details": "Description: cannot be blank"}]
    assert (job["status"], job["results"], exists(zendesk, ticket_id)) == (reported, results, made)


def test_a_killed_job_may_have_made_the_ticket_all_the_same(zendesk):
    ticket_id, job = finished(zendesk, JobPlan("killed", effect=True))
    assert (job["status"], exists(zendesk, ticket_id)) == ("killed", True)


def test_a_job_may_report_a_failed_row_for_a_ticket_that_was_made(zendesk):
    ticket_id, job = finished(zendesk, JobPlan("failed_row", effect=True, error="Odd", details="Odd."))
    assert job["results"] == [{"index": 0, "error": "Odd", "details": "Odd."}]
    assert exists(zendesk, ticket_id)


def test_a_forgotten_job_is_not_found_and_its_ticket_is_there(zendesk):
    zendesk.account.jobs.plans.append(JobPlan("forgotten"))
    ticket_id, job_id = submit(zendesk)
    zendesk.later(1)
    assert zendesk.get(f"job_statuses/{job_id}").status == 404
    assert zendesk.get(f"job_statuses/show_many?ids={job_id}").json() == {"job_statuses": []}
    assert exists(zendesk, ticket_id)


def test_a_young_job_may_be_hidden(zendesk):
    zendesk.account.jobs.plans.append(JobPlan(hidden_seconds=5))
    _, job_id = submit(zendesk)
    assert zendesk.get(f"job_statuses/{job_id}").status == 404
    zendesk.later(5)
    assert status(zendesk, job_id)["status"] == "completed"


def test_a_job_may_wait_for_hours(zendesk):
    zendesk.account.jobs.plans.append(JobPlan(queued_seconds=7200))
    _, job_id = submit(zendesk)
    zendesk.later(7199)
    assert status(zendesk, job_id)["status"] == "queued"


def test_a_plan_holds_for_its_number_of_jobs(zendesk):
    zendesk.account.jobs.plans.append(JobPlan("killed", times=2))
    jobs = [submit(zendesk)[1] for _ in range(3)]
    zendesk.later(1)
    assert [status(zendesk, job)["status"] for job in jobs] == ["killed", "killed", "completed"]


def test_a_plan_at_random_repeats_itself_with_its_seed(zendesk):
    def outcomes():
        zendesk.account.jobs.plans[:] = [JobPlan("killed", times=None, rate=0.5, seed=7)]
        jobs = [submit(zendesk)[1] for _ in range(20)]
        zendesk.later(1)
        return [status(zendesk, job)["status"] for job in jobs]

    first = outcomes()
    assert {"killed", "completed"} == set(first)
    assert outcomes() == first


@pytest.mark.parametrize("retention", [86400, 3600])
def test_a_job_is_forgotten_after_its_retention(zendesk, retention):
    zendesk.account.settings.job_retention_seconds = retention
    _, job_id = submit(zendesk)
    zendesk.later(retention)
    assert zendesk.get(f"job_statuses/{job_id}").status == 200
    zendesk.later(1)
    assert zendesk.get(f"job_statuses/{job_id}").status == 404


def test_show_many_leaves_out_what_it_does_not_know(zendesk):
    _, first = submit(zendesk)
    _, second = submit(zendesk)
    shown = zendesk.get(f"job_statuses/show_many?ids={second},unknown,{first}").json()["job_statuses"]
    assert [job["id"] for job in shown] == [second, first]


def test_show_many_takes_a_hundred_ids(zendesk):
    assert zendesk.get("job_statuses/show_many?ids=" + ",".join(["x"] * 100)).status == 200
    refused = zendesk.get("job_statuses/show_many?ids=" + ",".join(["x"] * 101))
    assert (refused.status, refused.json()["error"]) == (400, "TooManyValues")


def test_the_list_of_jobs_has_the_finished_first_and_then_the_newest(zendesk):
    _, old = submit(zendesk)
    zendesk.later(1)
    _, middle = submit(zendesk)
    zendesk.later(0.1)
    _, new = submit(zendesk)
    listed = zendesk.get("job_statuses").json()["job_statuses"]
    assert [job["id"] for job in listed] == [old, new, middle]


def test_a_batch_makes_its_tickets_with_ids_in_another_order(zendesk):
    batch = {"tickets": [{"description": "x", "external_id": f"acme:{number}"} for number in range(100)]}
    queued = zendesk.post("tickets/create_many", batch)
    assert queued.status == 200
    zendesk.later(0.45)
    working = status(zendesk, queued.json()["job_status"]["id"])
    assert working["message"] == f"Creating ticket #{working['progress'] + 1}"
    assert 0 < working["progress"] < 100
    zendesk.later(1)
    rows = status(zendesk, queued.json()["job_status"]["id"])["results"]
    assert [row["index"] for row in rows] == list(range(100))
    ids = [row["id"] for row in rows]
    assert ids != sorted(ids)
    for number in (0, 50, 99):
        assert zendesk.get(f"tickets/{ids[number]}").json()["ticket"]["external_id"] == f"acme:{number}"


def test_a_job_takes_longer_for_many_tickets_where_the_account_says_so(zendesk):
    zendesk.account.settings.job_ticket_seconds = 0.12
    job_id = zendesk.post("tickets/create_many", {"tickets": [TICKET["ticket"]] * 100}).json()["job_status"]["id"]
    zendesk.later(12)
    assert status(zendesk, job_id)["status"] == "working"
    zendesk.later(0.7)
    assert status(zendesk, job_id)["status"] == "completed"


def test_the_rows_of_a_batch_may_be_shuffled(zendesk):
    zendesk.account.jobs.plans.append(JobPlan("rows_shuffled"))
    queued = zendesk.post("tickets/create_many", {"tickets": [{"description": "x"}] * 3})
    zendesk.later(1)
    rows = status(zendesk, queued.json()["job_status"]["id"])["results"]
    assert [row["index"] for row in rows] == [2, 1, 0]


def test_a_completed_batch_can_hold_a_failed_row(zendesk):
    queued = zendesk.post("tickets/create_many", {"tickets": [{"description": "x"}, {"subject": "no comment"}]})
    zendesk.later(1)
    job = status(zendesk, queued.json()["job_status"]["id"])
    assert job["status"] == "completed"
    assert job["results"][1] == {"index": 1, "error": "TicketCreateFailed", "details": "Description: cannot be blank"}


def test_a_batch_of_more_than_a_hundred_is_refused_as_recorded(zendesk):
    refused = zendesk.post("tickets/create_many", {"tickets": [{"description": "x"}] * 101})
    assert refused.status == 400
    assert refused.json() == {
        "error": "TooManyValues",
        "description": "Parameter  cannot specify more than 100 values",
        "max_count": 100,
    }


def test_thirty_jobs_at_once_are_the_limit(zendesk):
    batch = {"tickets": [{"description": "x"}]}
    assert {zendesk.post("tickets/create_many", batch).status for _ in range(30)} == {200}
    refused = zendesk.post("tickets/create_many", batch)
    assert refused.status == 429
    assert int(refused.headers["Retry-After"]) > 0
    zendesk.later(1)
    assert zendesk.post("tickets/create_many", batch).status == 200


def test_single_async_tickets_count_as_jobs_only_when_switched_so(zendesk):
    for _ in range(31):
        submit(zendesk)
    zendesk.account.settings.async_counts_as_job = True
    assert zendesk.post("tickets?async=true", TICKET).status == 429


def updated(zendesk, path, body):
    queued = zendesk.put(path, body)
    assert queued.status == 200, queued.text
    zendesk.later(1)
    return status(zendesk, queued.json()["job_status"]["id"])


def test_a_bulk_update_changes_every_ticket_named(zendesk):
    first, second = zendesk.ticket(tags=["a"]), zendesk.ticket(tags=["a"])
    body = {"ticket": {"priority": "high", "additional_tags": ["b"], "remove_tags": ["a"]}}
    job = updated(zendesk, f"tickets/update_many?ids={first['id']},{second['id']}", body)
    assert job["job_type"] == "Bulk Update Ticket"
    assert job["results"] == [
        {"action": "update", "status": "Updated", "success": True, "id": ticket["id"]} for ticket in (first, second)
    ]
    after = zendesk.get(f"tickets/{first['id']}").json()["ticket"]
    assert (after["priority"], after["tags"]) == ("high", ["b"])


def test_a_batch_update_reports_each_conflict_in_its_row(zendesk):
    stale, fresh = zendesk.ticket(), zendesk.ticket()
    zendesk.later(60)
    zendesk.agent("ada@example.com").put(f"tickets/{stale['id']}", {"ticket": {"priority": "low"}})
    changes = [
        {"id": ticket["id"], "priority": "high", "safe_update": True, "updated_stamp": ticket["updated_at"]}
        for ticket in (stale, fresh)
    ]
    job = updated(zendesk, "tickets/update_many", {"tickets": changes})
    assert job["status"] == "completed"
    assert job["results"][0] == {
        "index": 0,
        "error": "UpdateConflict",
        "id": stale["id"],
        "details": "Safe Update prevented the update due to outdated ticket data. "
        "Please fetch the latest ticket data and try again.",
    }
    assert job["results"][1]["success"] is True


def test_a_batch_update_is_always_safe_against_changes_since_it_was_queued(zendesk):
    ticket = zendesk.ticket()
    zendesk.account.jobs.plans.append(JobPlan(queued_seconds=60))
    queued = zendesk.put("tickets/update_many", {"tickets": [{"id": ticket["id"], "priority": "high"}]})
    zendesk.later(30)
    zendesk.agent("ada@example.com").put(f"tickets/{ticket['id']}", {"ticket": {"priority": "low"}})
    zendesk.later(60)
    [row] = status(zendesk, queued.json()["job_status"]["id"])["results"]
    assert row["error"] == "UpdateConflict"


def test_a_batch_update_with_safe_update_and_no_stamp_is_an_error(zendesk):
    ticket = zendesk.ticket()
    body = {"tickets": [{"id": ticket["id"], "priority": "high", "safe_update": True}]}
    assert zendesk.put("tickets/update_many", body).status == 400


def test_a_batch_update_of_an_unknown_ticket_fails_its_row(zendesk):
    job = updated(zendesk, "tickets/update_many", {"tickets": [{"id": 1, "priority": "high"}]})
    assert job["results"][0]["error"] == "RecordNotFound"
