"""However many jobs there are, none of those that may make the ticket is overlooked."""

from types import SimpleNamespace
from typing import Any

import pytest

from tests.builders import NOW, ticket_row
from ticket_relay.create_ticket.candidate_jobs import MOST_CANDIDATES, MOST_PAGES, PAGES_AT_ONCE, CandidateJobs
from ticket_relay.rate_limits.permit import Deadline, Permit
from ticket_relay.zendesk.errors import NotSent, Rejected
from ticket_relay.zendesk.jobs import Job

PERMIT = Permit(Deadline.after(3600))


def job(number: int, status: str = "queued") -> Job:
    return Job(f"V3-{number}", status, "", {})


class World:
    """An account with a list of jobs, page by page, and a table that knows some of them."""

    def __init__(self, *pages: list[Job], ours: set[str] = frozenset()) -> None:
        self.pages, self.ours, self.now, self.calls = list(pages), ours, NOW, []
        self.over: set[str] = set()

    def list_jobs(self, _: Permit, after: str | None = None) -> tuple[list[Job], str | None]:
        self.calls.append("list")
        number = int(after or 0)
        return self.pages[number], str(number + 1) if number + 1 < len(self.pages) else None

    def job_statuses(self, ids: Any, _: Permit) -> dict[str, Job]:
        self.calls.append(len(ids))
        return {each: Job(each, "completed" if each in self.over else "queued", "", {}) for each in ids}

    def jobs(self) -> CandidateJobs:
        store = SimpleNamespace(jobs_waited_for=lambda: self.ours)
        return CandidateJobs(SimpleNamespace(zendesk=self, store=store, now=lambda: self.now))  # type: ignore[arg-type]


def in_doubt(**changes: Any) -> Any:
    return ticket_row(sent_at=NOW - 60, **changes)


@pytest.mark.parametrize("number", [130, 1200])
def test_of_very_many_jobs_all_but_our_own_are_candidates(number: int) -> None:
    pages = [[job(100 * page + each) for each in range(100)] for page in range(-(-number // 100))]
    ours = {each.id for page in pages for each in page} - {"V3-7"}
    jobs = World(*pages, ours=ours).jobs()
    for _ in range(number // (100 * PAGES_AT_ONCE)):
        with pytest.raises(NotSent):
            jobs.of(in_doubt(), NOW, PERMIT)
    assert jobs.of(in_doubt(), NOW, PERMIT) == ("V3-7",)
    foreign = World(*pages).jobs()
    for _ in range(number // (100 * PAGES_AT_ONCE)):
        with pytest.raises(NotSent):
            foreign.of(in_doubt(), NOW, PERMIT)
    assert len(foreign.of(in_doubt(), NOW, PERMIT)) == 100 * len(pages)


def test_finished_jobs_before_the_unfinished_ones_do_not_end_the_search() -> None:
    world = World(*[[job(each, "completed") for each in range(100)]] * 25, [job(7)])
    jobs = world.jobs()
    for _ in range(2):
        with pytest.raises(NotSent) as unread:
            jobs.of(in_doubt(), NOW, PERMIT)
        assert unread.value.code == "job_list_unread"
    assert jobs.of(in_doubt(), NOW, PERMIT) == ("V3-7",)
    assert world.calls == ["list"] * 26


def test_a_row_that_waits_for_the_rest_of_the_list_goes_on_where_it_was() -> None:
    """Each look-up that does not reach the end writes the row: that is no newer request."""
    world = World(*[[job(each, "completed") for each in range(100)]] * 25, [job(7)])
    jobs = world.jobs()
    for _ in range(2):
        with pytest.raises(NotSent):
            jobs.of(in_doubt(), world.now, PERMIT)
        world.now += 5
    assert jobs.of(in_doubt(), world.now, PERMIT) == ("V3-7",)
    assert world.calls == ["list"] * 26
    world.now += 5
    with pytest.raises(NotSent):
        jobs.of(in_doubt(), world.now, PERMIT)


def test_the_list_is_read_once_for_all_rows_that_are_in_doubt() -> None:
    world = World([job(7)])
    jobs = world.jobs()
    assert [jobs.of(in_doubt(), NOW - number, PERMIT) for number in range(5)] == [("V3-7",)] * 5
    assert world.calls == ["list"]


def test_a_request_that_was_sent_since_the_list_was_read_needs_another() -> None:
    world = World([job(7)])
    jobs = world.jobs()
    jobs.of(in_doubt(), NOW, PERMIT)
    world.now = NOW + 20
    jobs.of(in_doubt(), NOW + 10, PERMIT)
    assert world.calls == ["list", "list"]


def test_known_candidates_are_asked_about_in_hundreds_and_those_that_are_over_drop_out() -> None:
    world = World()
    world.over = {"V3-3"}
    row = in_doubt(candidate_jobs=tuple(f"V3-{number}" for number in range(250)))
    assert len(world.jobs().of(row, NOW, PERMIT)) == 249
    assert world.calls == [100, 100, 50]


def test_more_candidates_than_a_row_can_hold_make_it_wait() -> None:
    pages = [[job(100 * page + each) for each in range(100)] for page in range(PAGES_AT_ONCE)]
    many = World(*[[job(10_000 * part + each) for each in range(MOST_CANDIDATES)] for part in range(2)])
    with pytest.raises(NotSent) as refused:
        many.jobs().of(in_doubt(), NOW, PERMIT)
    assert refused.value.code == "too_many_jobs_unfinished"
    assert len(World(*pages).jobs().of(in_doubt(), NOW, PERMIT)) == 1000


def test_an_endless_list_ends_the_search_in_time() -> None:
    world = World(*[[job(1, "completed")]] * (MOST_PAGES + 1))
    jobs = world.jobs()
    for _ in range(2 * MOST_PAGES // PAGES_AT_ONCE):
        with pytest.raises(NotSent):
            jobs.of(in_doubt(), NOW, PERMIT)
    assert len(world.calls) == MOST_PAGES


def test_without_leave_to_see_the_jobs_the_look_for_the_ticket_must_do(lambda_environment: None) -> None:
    world = World()
    world.list_jobs = lambda *_: (_ for _ in ()).throw(Rejected(403, "Forbidden", "No."))  # type: ignore[method-assign]
    assert world.jobs().of(in_doubt(), NOW, PERMIT) == ()
