import zlib

from hypothesis import given
from hypothesis import strategies as st

from tests.builders import NOW, acme_event, body_of, ticket_row
from ticket_relay.states import ticket as ticket_states
from ticket_relay.storage.attribute_values import from_wire, to_wire
from ticket_relay.storage.packing import BY_REQUEST, packed, plain, unpacked
from ticket_relay.storage.store import _item, _row
from ticket_relay.zendesk.client import Submission

EVENT = body_of(acme_event(summary="words of a customer, " * 40))
PAYLOADS = st.none() | st.binary(min_size=1)


def stored(row):
    """The item as DynamoDB gives it back."""
    return from_wire(to_wire(packed(_item(row))))


def kept(**changes):
    return ticket_row(event=EVENT, keeps_event=True, request=b'{"ticket": ' + EVENT + b"}", **changes)


@given(request=PAYLOADS, changes=PAYLOADS, event=PAYLOADS, keeps_event=st.booleans())
def test_what_is_stored_is_read_as_it_was(request, changes, event, keeps_event):
    row = ticket_row(request=request, changes=changes, event=event, keeps_event=keeps_event)
    assert _row(stored(row)) == row


def test_a_kept_event_costs_a_fraction_of_itself():
    item = stored(kept())
    assert len(item[BY_REQUEST]) < len(zlib.compress(EVENT)) / 3
    assert "event" not in item


def test_an_event_of_which_nothing_was_made_is_stored_by_itself():
    row = ticket_row(request=None, event=EVENT, keeps_event=True)
    assert plain(stored(row)["event"]) == EVENT


def test_an_event_whose_request_an_older_version_dropped_is_gone_and_the_row_is_not():
    item = stored(kept())
    del item["request"]
    assert _row(item).event is None
    assert _row(item | {"request": b"another"}).event is None


def test_an_older_version_keeps_what_it_does_not_know():
    item = stored(kept())
    as_older = {name: value for name, value in item.items() if name not in {BY_REQUEST, "keeps_event"}}
    assert _row(as_older).event is None
    assert unpacked(as_older | {BY_REQUEST: item[BY_REQUEST]})["event"] == EVENT


def test_no_move_loses_a_kept_event():
    row = kept()
    submitted = ticket_states.submitted(row, Submission("V3-1", 7), NOW)
    for moved in (
        ticket_states.held(row, NOW),
        submitted,
        ticket_states.created(submitted, 7, NOW),
        ticket_states.new_attempt(submitted, "job_killed", "The job was killed.", NOW),
        ticket_states.failed(submitted, "RecordInvalid", "Requester is suspended.", NOW),
        ticket_states.ignored(row, NOW),
        ticket_states.mapped(row, b"{}", 0, NOW),
        ticket_states.split(row, NOW),
    ):
        assert _row(stored(moved)).event == EVENT, moved.state
