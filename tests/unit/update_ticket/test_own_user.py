from collections.abc import Callable, Mapping
from types import SimpleNamespace
from typing import Any, cast

import pytest

from tests.builders import NOW
from ticket_relay.errors import StoreUnavailable
from ticket_relay.rate_limits.permit import Deadline, Permit
from ticket_relay.services import Services
from ticket_relay.storage.dynamodb import ConditionFailed
from ticket_relay.storage.rows import DAY
from ticket_relay.update_ticket import own_user
from ticket_relay.zendesk.errors import NotSent, OutcomeUnknown, Rejected, Throttled, ZendeskError

OWN = 21311632247


class FakeTable:
    """The one item, and how the table takes a write."""

    def __init__(self) -> None:
        self.item: dict[str, Any] | None = None
        self.error: Exception | None = None

    def get(self, pk: str) -> dict[str, Any] | None:
        assert pk == own_user.PK
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

    def own_user_id(self, permit: Permit) -> int | None:
        self.asked.append(permit.left)
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
def relay_at(table, zendesk) -> Callable[[float], Services]:
    return lambda now: cast("Services", SimpleNamespace(table=table, zendesk=zendesk, now=lambda: now))


@pytest.fixture
def services(relay_at) -> Services:
    return relay_at(NOW)


def test_at_first_the_relay_does_not_know_itself_and_asks_nobody(services, zendesk):
    assert own_user.known(services) is None
    assert not zendesk.asked


def test_what_zendesk_said_is_known_to_all_workers_for_a_day(services, relay_at):
    assert own_user.learned(services, Permit(Deadline.after(3))) == OWN
    assert own_user.known(relay_at(NOW + DAY - 1)) == OWN
    assert own_user.known(relay_at(NOW + DAY + 1)) is None


def test_after_a_day_it_is_learned_anew(services, relay_at, zendesk):
    own_user.learned(services, Permit(Deadline.after(3)))
    zendesk.answer = OWN + 1
    later = relay_at(NOW + DAY + 1)
    assert own_user.learned(later, Permit(Deadline.after(3))) == OWN + 1
    assert own_user.known(later) == OWN + 1


@pytest.mark.parametrize("answer", [OutcomeUnknown("zendesk_502", "No."), Rejected(403, "Forbidden", "No."), None])
def test_what_zendesk_does_not_say_is_not_known_and_not_remembered(services, zendesk, table, answer):
    zendesk.answer = answer
    assert own_user.learned(services, Permit(Deadline.after(3))) is None
    assert table.item is None


@pytest.mark.parametrize("error", [NotSent("zendesk_unreachable", "No."), Throttled(429, 5)])
def test_where_zendesk_cannot_be_asked_the_update_waits(services, zendesk, error):
    zendesk.answer = error
    with pytest.raises(type(error)):
        own_user.learned(services, Permit(Deadline.after(3)))


def test_another_worker_that_learned_it_at_the_same_time_does_no_harm(services, table):
    table.error = ConditionFailed()
    assert own_user.learned(services, Permit(Deadline.after(3))) == OWN


def test_the_table_being_away_is_told(services, table):
    table.error = StoreUnavailable("DynamoDB answered InternalServerError.")
    with pytest.raises(StoreUnavailable):
        own_user.remember(services, OWN)


@pytest.mark.parametrize(("left", "most"), [(3.0, own_user.LEARNING_TIME), (0.8, 0.8)])
def test_learning_leaves_time_for_the_update(services, zendesk, left, most):
    own_user.learned(services, Permit(Deadline.after(left)))
    assert 0 < zendesk.asked[0] <= most


@pytest.mark.parametrize("update", [{"priority": "high"}, {"comment": {"body": "Raised."}}])
def test_the_author_of_our_update_is_who_we_are(services, update):
    own_user.remember_author(services, OWN, update)
    assert own_user.known(services) == OWN


@pytest.mark.parametrize(("author", "comment"), [(OWN, {"body": "Raised.", "author_id": OWN}), (None, {"body": "x"})])
def test_an_author_who_may_be_another_is_not_learned(services, table, author, comment):
    own_user.remember_author(services, author, {"comment": comment})
    assert table.item is None
