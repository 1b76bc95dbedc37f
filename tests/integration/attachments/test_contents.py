"""Files whose content comes with the event, and is too large for its row."""

import hashlib
from dataclasses import replace

import pytest
from botocore.exceptions import ReadTimeoutError

from tests import fixtures
from tests.builders import BUCKET
from tests.integration.attachments.events import CASES, GOODS, POLICY, in_base64
from ticket_relay.create_ticket.contents import LARGEST_IN_REQUEST
from ticket_relay.errors import StoreUnavailable
from ticket_relay.storage.rows import TicketState

MEGABYTES = b"".join(b"%s,lamp\n" % hashlib.sha256(b"%d" % number).hexdigest().encode() for number in range(30_000))


@pytest.fixture
def services(other_services, bucket):
    services = other_services()
    return replace(services, settings=services.settings.model_copy(update={"event_bucket": BUCKET}))


@pytest.fixture(autouse=True)
def _more_than_a_row_holds(define):
    define(POLICY | {"max_mb": 4}, events=CASES, correlate="${event.thing}")


@pytest.fixture
def s3(bucket, monkeypatch):
    """A client whose calls fail while their names are in `broken`."""

    class Client:
        def __init__(self):
            self.broken = set()

        def __getattr__(self, name):
            if name in self.broken:
                raise ReadTimeoutError(endpoint_url="https://s3.test")
            return getattr(fixtures.client("s3"), name)

    client = Client()
    monkeypatch.setattr("ticket_relay.storage.events._shared_client", lambda: client)
    return client


def test_it_is_attached(send, minutes, attached, stored, zendesk):
    assert len(MEGABYTES) > 2_000_000
    send(in_base64(MEGABYTES))
    assert len(stored().request) < 1000
    minutes()
    assert attached() == [("evt_1", True, [GOODS])]
    (upload,) = zendesk.account.journal.calls("POST", "/api/v2/uploads")
    assert upload.size == len(MEGABYTES)


def test_so_it_is_to_the_ticket_that_its_event_joins(send, minutes, attached):
    send(event_id="one")
    minutes()
    send(in_base64(MEGABYTES), event_id="two", kind="noted")
    minutes()
    assert attached() == [("one", True, []), ("two", True, [GOODS])]


def test_what_a_row_holds_stays_in_it(send, stored, bucket):
    send(in_base64(b"x" * (LARGEST_IN_REQUEST // 2)))
    assert (bucket(), stored().event_at) == ([], None)
    assert len(stored().request) > LARGEST_IN_REQUEST // 2


def test_without_the_bucket_the_event_is_not_taken(services, send, s3):
    s3.broken.add("put_object")
    with pytest.raises(StoreUnavailable):
        send(in_base64(MEGABYTES))
    assert services.store.get("ticket#acme#evt_1") is None
    s3.broken.clear()
    assert send(in_base64(MEGABYTES)).state == "accepted"


def test_it_waits_while_the_bucket_does_not_answer(send, minutes, attached, s3, stored):
    send(in_base64(MEGABYTES))
    s3.broken.add("get_object")
    minutes(10)
    assert stored().state == TicketState.ACCEPTED
    s3.broken.clear()
    minutes()
    assert attached() == [("evt_1", True, [GOODS])]


def test_what_the_bucket_no_longer_has_is_named(send, minutes, attached, bucket):
    send(in_base64(MEGABYTES))
    for key in bucket():
        fixtures.client("s3").delete_object(Bucket=BUCKET, Key=key)
    minutes()
    assert attached()[1][0].endswith("- goods.csv: its content is no longer kept.")


def test_no_event_says_where_a_content_lies(send, stored):
    """It would be given what another partner brought."""
    file = {"kept_at": f"{BUCKET}/kept/globex/0123", "filename": "a.csv", "content_type": "text/csv"}
    send(file)
    assert (stored().state, stored().error_code) == (TicketState.UNMAPPED, "ticket_invalid")
    assert stored().error_sentence == "events[0].ticket.comment.attachments: kept_at is the relay's own."


@pytest.mark.parametrize("place", ["", None])
def test_nor_that_it_lies_nowhere(send, minutes, stored, attached, place):
    send({"kept_at": place, "filename": "a.csv", "content_type": "text/csv"})
    if place is None:
        minutes()
        assert attached()[1][0].endswith("- a.csv: the event says neither where it is nor what is in it.")
    else:
        assert stored().error_code == "ticket_invalid"


def test_what_names_a_content_very_often_becomes_too_large(send, stored):
    """A name is short, and whoever sent the content knows it."""
    file = in_base64(MEGABYTES)
    name = f"relay-content:{hashlib.sha256(file['base64'].encode()).hexdigest()}"
    id = "-".join([name] * 3)
    send(file, event_id=id)
    assert (stored(id).state, stored(id).error_code) == (TicketState.UNMAPPED, "mapping_too_large")


@pytest.mark.parametrize("used", ["${event.files[0].base64}", "See: ${event.files[0].base64}"])
def test_where_it_is_no_file_it_is_a_text_like_any_other(send, stored, define, used):
    ticket = CASES[0]["ticket"]
    define(ticket=ticket | {"comment": ticket["comment"] | {"body": used}})
    send(in_base64(MEGABYTES))
    assert (stored().state, stored().error_sentence) == (TicketState.UNMAPPED, "ticket: is larger than 300 KiB.")


def test_a_name_that_is_none_of_the_events_own_is_a_text(send, minutes, attached):
    name = "relay-content:" + "0" * 64
    send(in_base64(MEGABYTES), event_id=name)
    minutes()
    assert attached() == [(name, True, [GOODS])]
