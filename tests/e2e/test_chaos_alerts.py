"""Proof that the harness can tell what became of the things that alerts are about."""

from typing import Any

import pytest

from tests.e2e.chaos.alerts import Alert, Story, judged

KINDS = ("resolved", "firing", "firing", "resolved", "firing")


def story(*kinds: Any, taken: int | None = None) -> Story:
    told = [Alert("disk", number, kind) for number, kind in enumerate(kinds or KINDS)]
    for alert in told[:taken]:
        alert.answers += [503, 202]
    return Story("disk", told)


def rows(told: Story, **states: str) -> dict[str, dict[str, Any]]:
    """All joined, except as is said of an alert by its number."""
    return {
        alert.pk: {"pk": alert.pk, "state": states.get(f"n{alert.number}", "joined"), "ticket_id": 7}
        for alert in told.taken
    }


def ticket(*comments: str, status: str = "open", id: int = 7) -> dict[str, Any]:
    return {"id": id, "subject": "disk on canary", "status": status, "comments": list(comments)}


def texts(*numbers: int, kinds: tuple[str, ...] = KINDS) -> list[str]:
    return [f"Text [disk-{number}-{kinds[number]}] canary" for number in numbers]


def found(told: Story, *tickets: dict[str, Any], **states: str) -> list[str]:
    return [violation.sentence for violation in judged([told], rows(told, **states), tickets)]


RIGHT = ticket(*texts(1, 0, 2, 3, 4))


def test_a_promise_that_was_kept_is_no_violation() -> None:
    assert found(story(), RIGHT) == []
    assert found(story(), ticket(*texts(1, 0, 2), status="closed"), ticket(*texts(3, 4), id=8)) == []
    assert found(story(taken=4), ticket(*texts(1, 0, 2, 3), status="solved")) == []
    assert found(story(), ticket(*texts(4, 0, 2, 3), status="solved"), n1="failed") == []
    assert found(story(taken=0)) == []


@pytest.mark.parametrize(
    ("told", "tickets", "states", "sentence"),
    [
        (story(), [RIGHT], {"n2": "accepted"}, "neither joined"),
        (story(), [RIGHT], {"n2": "unmapped"}, "neither joined"),
        (story(), [], {}, "comments of none"),
        (story(), [ticket(*texts(1, 0, 2, 4))], {}, "comments of 1f 0r 2f 4f, and not"),
        (story(), [ticket(*texts(1, 0, 2, 2, 3, 4))], {}, "comments of 1f 0r 2f 2f"),
        (story(), [ticket(*texts(1, 0, 2, 3, 4), "Something else")], {}, "a comment that nobody wrote"),
        (story(), [ticket(*texts(1, 2, 0, 3, 4))], {}, "comments in the order 1f 2f 0r"),
        (story(), [ticket(*texts(1, 0, 2)), ticket(*texts(3, 4), id=8)], {}, "2 open tickets, and not 1"),
        (story(), [ticket(*texts(1, 0, 2, 3, 4), status="solved")], {}, "0 open tickets, and not 1"),
        (story(taken=4), [ticket(*texts(1, 0, 2, 3))], {}, "1 open tickets, and not 0"),
        (story(), [RIGHT], {"n2": "failed"}, "comments of 1f 0r 2f 3r 4f, and not of 0r 1f 3r 4f"),
    ],
)
def test_a_broken_promise_is_found(
    told: Story, tickets: list[dict[str, Any]], states: dict[str, str], sentence: str
) -> None:
    assert any(each.startswith(sentence) for each in found(told, *tickets, **states))


def test_a_row_that_is_gone_is_found() -> None:
    assert judged([story()], {}, [RIGHT])
