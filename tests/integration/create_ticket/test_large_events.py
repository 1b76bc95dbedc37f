"""An event that no row can hold is in the bucket before its row is claimed, and is read from there."""

import hashlib
import json
import zlib
from dataclasses import replace

import pytest
from botocore.exceptions import ClientError, ReadTimeoutError

from cli import reading
from cli.redrive import NotRedrivable, redrive
from cli.where import Place
from tests import fixtures
from tests.builders import BUCKET, ROOT, TABLE, acme_event, body_of
from tests.integration.create_ticket import remaps
from ticket_relay.definitions import loader
from ticket_relay.errors import StoreUnavailable
from ticket_relay.storage import events
from ticket_relay.storage.events import LARGEST_IN_ROW
from ticket_relay.storage.rows import TicketState, ticket_pk
from ticket_relay.webhooks.payload import MAX_BODY

redefine, fail = remaps.redefine, remaps.fail

FIRING = json.loads((ROOT / "events/hooli-alerts-firing.json").read_bytes())
ONE = "4b1c5e0f9a7d2e33-2026-11-20T08:14:30.000Z-firing"
NOISE = "".join(hashlib.sha256(bytes([number])).hexdigest() for number in range(256)) * 16


def large(size=5 * 1024 * 1024, **incident):
    event = acme_event(**incident)
    return event | {"log": (NOISE * (size // len(NOISE) + 1))[: size - len(body_of(event))]}


def key_of(content, folder="kept", partner="acme"):
    return f"{folder}/{partner}/{hashlib.sha256(body_of(content)).hexdigest()}"


@pytest.fixture
def services(other_services, bucket):
    services = other_services()
    return replace(services, settings=services.settings.model_copy(update={"event_bucket": BUCKET}))


def test_an_event_of_megabytes_becomes_a_ticket_and_is_kept_in_the_bucket(
    services, deliver, drive, tickets, stored, bucket
):
    content = large()
    assert deliver(services, content=content).state == "submitted"
    drive(services)
    assert (stored().state, len(tickets()), bucket()) == (TicketState.CREATED, 1, [key_of(content)])
    assert (stored().event, stored().event_at) == (None, f"{BUCKET}/{key_of(content)}")
    assert services.events.delivered(stored()) == ("evt_1", body_of(content))


def test_only_what_is_too_large_for_a_row_goes_to_the_bucket(services, deliver, stored, bucket):
    deliver(services, content=large(LARGEST_IN_ROW - 20))
    assert (bucket(), stored().event_at) == ([], None)


def test_the_largest_that_can_come_is_taken(services, deliver):
    content = large(MAX_BODY)
    content["log"] = content["log"][: len(content["log"]) - (len(body_of(content)) - MAX_BODY)]
    assert len(body_of(content)) == MAX_BODY
    assert deliver(services, content=content).state == "submitted"


def test_a_repetition_writes_the_same_object_and_no_second_row(services, deliver, bucket, tickets, drive):
    for _ in range(2):
        deliver(services, content=large())
    drive(services)
    assert (len(bucket()), len(tickets())) == (1, 1)


@pytest.mark.parametrize(
    "error",
    [
        ClientError({"Error": {"Code": "SlowDown", "Message": ""}}, "PutObject"),
        ReadTimeoutError(endpoint_url="https://s3"),
    ],
)
def test_without_the_bucket_nothing_is_claimed_and_the_sender_repeats(
    services, deliver, monkeypatch, error, tickets, drive
):
    class Down:
        def put_object(self, **_):
            raise error

    with monkeypatch.context() as patch:
        patch.setattr(events, "_shared_client", Down)
        with pytest.raises(StoreUnavailable, match="S3"):
            deliver(services, content=large())
        assert services.store.get(ticket_pk("acme", "evt_1")) is None
    deliver(services, content=large())
    drive(services)
    assert len(tickets()) == 1


def test_an_unmapped_event_waits_in_the_bucket_until_a_definition_fits(
    services, deliver, drive, stored, bucket, redefine, tickets
):
    ticket = loader.partner("acme").ticket
    redefine("acme", ticket=ticket | {"subject": "${event.nothing}"})
    content = large()
    assert deliver(services, content=content).state == "unmapped"
    assert bucket() == [key_of(content, "unmapped")]
    redrive(services.store, stored(), services.now())
    redefine("acme", ticket=ticket)
    drive(services)
    assert (stored().state, len(tickets())) == (TicketState.CREATED, 1)


def test_an_operator_reads_it_with_its_row(services, deliver, dynamo):
    content = large()
    deliver(services, content=content)
    place = Place(TABLE, dynamo._client, lambda: fixtures.client("s3"))
    assert reading.get(place, ticket_pk("acme", "evt_1"), payload=True)["event"] == body_of(content).decode()


def test_an_event_that_fits_no_more_is_moved_to_where_it_can_wait(
    services, deliver, drive, stored, bucket, redefine, fail, clock
):
    content = large()
    services.gate.close(clock() + 5)
    deliver(services, content=content)
    redefine("acme", ticket=loader.partner("acme").ticket | {"subject": "${event.nothing}"})
    redrive(services.store, fail(), services.now(), remap=services.events)
    clock.advance(6)
    drive(services)
    assert (stored().state, stored().event_at) == (TicketState.UNMAPPED, f"{BUCKET}/{key_of(content, 'unmapped')}")
    assert services.events.delivered(stored()) == ("evt_1", body_of(content))


def test_a_large_delivery_is_kept_once_for_all_its_events(services, deliver, drive, bucket, fail, clock):
    content = FIRING | {"log": large()["log"]}
    services.gate.close(clock() + 5)
    deliver(services, "dlv_1", content=content, partner="hooli")
    assert bucket() == [key_of(content, partner="hooli")]
    redrive(services.store, fail(ONE, "hooli"), services.now(), remap=services.events)
    clock.advance(6)
    drive(services)
    assert services.store.get(ticket_pk("hooli", ONE)).state is TicketState.CREATED


def test_a_large_delivery_is_moved_to_where_an_event_that_fits_no_more_can_wait(
    services, deliver, drive, stored, bucket, redefine, fail, clock
):
    content = FIRING | {"log": large()["log"]}
    services.gate.close(clock() + 5)
    deliver(services, "dlv_1", content=content, partner="hooli")
    redefine("hooli", id="${item.fingerprint}")
    redrive(services.store, fail(ONE, "hooli"), services.now(), remap=services.events)
    clock.advance(6)
    drive(services)
    fixtures.client("s3").delete_object(Bucket=BUCKET, Key=key_of(content, partner="hooli"))
    assert stored(ONE, "hooli").state is TicketState.UNMAPPED
    assert services.events.delivered(stored(ONE, "hooli")) == ("dlv_1", body_of(content))


def test_an_event_that_is_gone_cannot_be_mapped_again(services, deliver, fail, clock):
    content = large()
    services.gate.close(clock() + 5)
    deliver(services, content=content)
    fixtures.client("s3").delete_object(Bucket=BUCKET, Key=key_of(content))
    with pytest.raises(NotRedrivable, match="not kept"):
        redrive(services.store, fail(), services.now(), remap=services.events)


def test_nothing_of_it_is_kept_if_events_are_not(services, deliver, drive, stored, bucket):
    services = replace(services, settings=services.settings.model_copy(update={"keep_events": False}))
    deliver(services, content=large())
    drive(services)
    assert (bucket(), stored().event_at) == ([], None)


def test_what_is_in_the_bucket_is_compressed(services, deliver, bucket):
    content = large()
    deliver(services, content=content)
    stored = fixtures.client("s3").get_object(Bucket=BUCKET, Key=key_of(content))["Body"].read()
    assert zlib.decompress(stored) == body_of(content)
