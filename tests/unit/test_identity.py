from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any, cast

import pytest

from tests.builders import NOW
from ticket_relay import identity
from ticket_relay.errors import Rejected, StoreUnavailable, Throttled, Uncertain, Unreached, ZendeskError
from ticket_relay.relay import Relay
from ticket_relay.rows import DAY
from ticket_relay.table import ConditionFailed
from ticket_relay.zendesk.transport import Deadline

OWN = 21311632247


class FakeTable:
    """The one item, and how the table takes a write."""

    def __init__(self) -> None:
        self.item: dict[str, Any] | None = None
        self.error: Exception | None = None

    def get(self, pk: str) -> dict[str, Any] | None:
        assert pk == identity.PK
        return self.item

    def put(self, item: dict[str, Any], *, only_if: str, given: Mapping[str, Any]) -> None:
        assert "attribute_not_exists(pk)" in only_if
        assert "expires_at <= :now" in only_if
        if self.error:
            raise self.error
        if self.item and self.item["expires_at"] > given[":now"]:
            raise ConditionFailed
        self.item = item


class FakeZendesk:
    def __init__(self) -> None:
        self.answer: int | ZendeskError | None = OWN
        self.asked: list[float] = []

    def own_user_id(self, by: Deadline) -> int | None:
        self.asked.append(by.left)
        if isinstance(self.answer, ZendeskError):
            raise self.answer
        return self.answer


@pytest.fixture
def table():
    return FakeTable()


@pytest.fixture
def zendesk():
    return FakeZendesk()


@pytest.fixture
def is_own(table, zendesk):
    def ask(user_id: int | None, now: float = NOW, left: float = 3.0) -> bool:
        relay = cast("Relay", SimpleNamespace(table=table, zendesk=zendesk, now=lambda: now))
        return identity.is_own(relay, user_id, Deadline.after(left))

    return ask


def test_the_relay_knows_its_own_user(is_own):
    assert is_own(OWN)


def test_anybody_else_is_not_the_relay(is_own):
    assert not is_own(OWN + 1)


def test_without_an_actor_nothing_is_asked(is_own, zendesk):
    assert not is_own(None)
    assert not zendesk.asked


def test_it_is_learned_once_a_day_for_all_workers(is_own, zendesk):
    assert is_own(OWN, NOW)
    assert is_own(OWN, NOW + DAY - 1)
    assert len(zendesk.asked) == 1


def test_after_a_day_it_is_learned_anew(is_own, zendesk):
    is_own(OWN, NOW)
    zendesk.answer = OWN + 1
    assert is_own(OWN + 1, NOW + DAY + 1)


@pytest.mark.parametrize(
    "error",
    [
        Unreached("zendesk_unreachable", "No."),
        Uncertain("zendesk_502", "No."),
        Throttled(429, 5),
        Rejected(403, "Forbidden", "No."),
    ],
)
def test_not_knowing_is_not_being_the_relay_and_is_not_remembered(is_own, zendesk, table, error):
    zendesk.answer = error
    assert not is_own(OWN)
    assert table.item is None


def test_an_anonymous_user_is_not_the_relay_and_is_not_remembered(is_own, zendesk, table):
    zendesk.answer = None
    assert not is_own(OWN)
    assert table.item is None


def test_another_worker_that_learned_it_at_the_same_time_does_no_harm(is_own, table):
    table.error = ConditionFailed()
    assert is_own(OWN)


def test_the_table_being_away_is_told(is_own, table):
    table.error = StoreUnavailable("DynamoDB answered InternalServerError.")
    with pytest.raises(StoreUnavailable):
        is_own(OWN)


@pytest.mark.parametrize(("left", "most"), [(3.0, identity.LEARNING_TIME), (0.8, 0.8)])
def test_learning_leaves_time_for_the_update(is_own, zendesk, left, most):
    is_own(OWN, left=left)
    assert 0 < zendesk.asked[0] <= most
