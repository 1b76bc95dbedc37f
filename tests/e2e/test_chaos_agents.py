"""The oracle of agents' tickets can tell."""

from typing import Any

import pytest

from tests.e2e.chaos.agents import COMMENT, Watched, judged
from tests.e2e.chaos.verdict import Ended

CHANGED = {"id": 7, "tags": ["escalated", "vip_customer"], "status": "open", "comments": ["x", f"{COMMENT}low"]}
DUE = {"id": 7, "tags": ["vip_customer"], "status": "new", "comments": ["x"]}
FAILED = {"update#7#sweep.escalate-vip.2026-11-25.1": {"state": "failed", "job_id": "V3-1", "error_code": "Refused"}}
JOBS = {"V3-1": Ended("completed", "Refused", None)}


def broken(ticket: dict[str, Any], *tags: str, items: Any = None) -> bool:
    return bool(judged([Watched(7, {*tags})], {7: ticket}, items or {}, JOBS))


@pytest.mark.parametrize(
    "ticket",
    [CHANGED, CHANGED | {"status": "solved"}, DUE | {"status": "solved"}, DUE | {"tags": ["triage"]}],
)
def test_a_ticket_that_has_its_change_or_is_not_due_is_fine(ticket: dict[str, Any]) -> None:
    assert not broken(ticket)


@pytest.mark.parametrize(
    "ticket",
    [
        DUE,
        DUE | {"comments": ["x", f"{COMMENT}low"]},
        CHANGED | {"comments": ["x"]},
        CHANGED | {"comments": ["x", f"{COMMENT}low", f"{COMMENT}high"]},
        DUE | {"status": "solved", "comments": ["x", f"{COMMENT}low"]},
    ],
)
def test_a_ticket_without_its_change_or_with_half_of_it_or_with_two_is_found(ticket: dict[str, Any]) -> None:
    assert broken(ticket)


def test_a_ticket_that_was_deleted_needs_nothing() -> None:
    assert not judged([Watched(7, {"theirs1"})], {}, {}, JOBS)


def test_a_tag_that_was_overwritten_is_found() -> None:
    assert not broken(CHANGED | {"tags": [*CHANGED["tags"], "theirs1"]}, "theirs1")
    assert broken(CHANGED, "theirs1")


def test_only_zendesks_own_no_to_that_update_excuses_a_ticket() -> None:
    (pk,) = FAILED
    assert not broken(DUE, items=FAILED)
    assert broken(DUE, items={pk: FAILED[pk] | {"error_code": "Other"}})
    assert broken(DUE, items={pk: FAILED[pk] | {"state": "skipped"}})
    assert broken(DUE, items={pk.replace("#7#", "#8#"): FAILED[pk]})
