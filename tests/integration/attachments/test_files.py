"""Files of events, from the delivery to the ticket: each once, or named in a note, whatever breaks on the way."""

import contextlib
import json

import pytest

from local.zendesk_simulator import Fault, JobPlan
from tests.builders import CANARY
from tests.fakes import DOWN, Outage
from tests.file_server import HOST
from tests.integration.attachments.events import CASES, GOODS, PHOTO, POLICY, TEXT, TICKET, in_base64, of_url
from ticket_relay.attachments import files as files_of_rows
from ticket_relay.errors import StoreUnavailable
from ticket_relay.states import ticket as ticket_states
from ticket_relay.storage.rows import TicketState


def test_the_files_of_an_event_are_attached_to_its_ticket(send, minutes, files, attached, stored, counted):
    assert send(of_url(files.serves("/1")), in_base64()).state == "accepted"
    minutes()
    assert attached() == [("evt_1", True, [PHOTO, GOODS])]
    assert stored().state == TicketState.CREATED
    assert counted("AttachmentUploaded") == 2


def test_the_partner_is_answered_without_any_call(send, files, zendesk, stored):
    send(of_url(files.serves("/1")))
    assert (files.asked, zendesk.account.journal.calls()) == ([], [])
    assert not stored().in_doubt
    assert stored().leased_at is None


def test_the_same_event_again_is_the_same_files(send, minutes, files, attached):
    for _ in range(3):
        send(of_url(files.serves("/1")))
    minutes()
    send(of_url(files.serves("/1")))
    minutes()
    assert attached() == [("evt_1", True, [PHOTO])]


@pytest.mark.parametrize(
    ("file", "reason"),
    [
        (lambda files: of_url(files.serves("/1", status=404)), "its server answered 404"),
        (lambda _: of_url("https://evil.example/1"), "its server is not one that the partner's definition allows"),
        (lambda _: of_url("http://127.0.0.1/1"), "its address is not one of https, or has parts that are not allowed"),
        (lambda files: of_url(files.serves("/1", bytes(2000))), "it is larger than 0.000999 MB"),
        (lambda _: in_base64(b"a" * 2000, "photo.png"), "it is larger than 0.000999 MB"),
        (lambda files: of_url(files.serves("/1", TEXT)), "its content is not what its type says"),
        (
            lambda files: of_url(files.serves("/1", content_type="text/html")),
            "its type is not one that the partner's definition allows",
        ),
        (lambda files: of_url(files.serves("/1"), content_type="text/csv"), "its content is not what its type says"),
        (lambda _: in_base64(name="photo.png") | {"base64": "///"}, "its content is not base64"),
        (lambda _: in_base64(b"", "photo.png"), "its content is not what its type says"),
        (
            lambda _: in_base64(name="photo.png", content_type=None),
            "its type is not one that the partner's definition allows",
        ),
        (
            lambda files: of_url(files.serves("/1"), content_type="png"),
            "its type is not one that the partner's definition allows",
        ),
        (lambda _: of_url(""), "its address is not one of https, or has parts that are not allowed"),
        (lambda _: of_url(None), "the event says neither where it is nor what is in it"),
        (
            lambda _: of_url(f"https://{HOST}/{'a' * 2048}"),
            "its address is not one of https, or has parts that are not allowed",
        ),
    ],
)
def test_a_file_that_cannot_be_had_is_named_in_an_internal_note(send, minutes, files, attached, counted, file, reason):
    send(file(files), in_base64())
    minutes()
    note = f"Files that could not be attached to this ticket:\n- photo.png: {reason}."
    assert attached() == [("evt_1", True, [GOODS]), (note, False, [])]
    assert counted("AttachmentMissing") == 1


def test_a_name_in_a_private_network_is_not_connected_to(send, minutes, files, attached):
    files.elsewhere[HOST] = "10.0.0.1"
    send(of_url(files.serves("/1")))
    minutes()
    assert attached()[1][0].endswith("- photo.png: its server is not on the public Internet.")
    assert files.asked == []


@pytest.mark.parametrize(
    ("file", "attached_as"),
    [
        (lambda _: in_base64(content_type="Text/CSV; charset=utf-8"), GOODS),
        (lambda _: in_base64(name="a/goods.csv/"), GOODS),
        (lambda _: in_base64(name=""), ("file", "text/csv")),
        (lambda files: of_url(files.serves("/1"), content_type=""), PHOTO),
        (lambda files: of_url(files.serves("/1"), "n" * 300), ("n" * 255, "image/png")),
    ],
)
def test_a_file_that_is_odd_only_in_what_is_said_of_it_is_attached(send, minutes, files, attached, file, attached_as):
    send(file(files))
    minutes()
    assert attached() == [("evt_1", True, [attached_as])]


def test_very_many_files_are_named_together(send, minutes, attached):
    send(*[in_base64(name=f"{number}.csv") for number in range(400)])
    for _ in range(3):
        minutes()
    assert len(attached()[0][2]) == 10
    assert attached()[1][0].endswith("- 380 more files: no more than 10 files are taken.")


def test_more_files_than_the_definition_allows_are_named(send, minutes, define, attached):
    define(POLICY | {"most": 1}, ticket=TICKET)
    send(in_base64(), in_base64(name="more.csv"))
    minutes()
    assert attached()[0][2] == [GOODS]
    assert attached()[1][0].endswith("- more.csv: no more than 1 files are taken.")


def test_what_passes_is_waited_for(send, minutes, files, attached):
    url = files.serves("/1", status=503)
    send(of_url(url))
    minutes(1)
    assert attached() == []
    files.serves("/1")
    minutes()
    assert attached() == [("evt_1", True, [PHOTO])]


def test_what_does_not_pass_is_not_waited_for_for_ever(send, minutes, files, attached):
    send(of_url(files.serves("/1", status=503)))
    minutes()
    assert [len(file_names) for _, _, file_names in attached()] == [0, 0]
    assert len(files.asked) == 5


def test_a_required_file_is_waited_for_until_it_is_there(send, minutes, files, attached, stored):
    send(of_url(files.serves("/1", status=404), required=True))
    minutes(30)
    row = stored()
    assert (row.state, row.error_code) == (TicketState.ACCEPTED, "file_http_404")
    assert attached() == []
    files.serves("/1")
    minutes(30)
    assert attached() == [("evt_1", True, [PHOTO])]


def test_without_a_required_file_the_event_fails_in_the_end_and_can_be_redriven(
    send, minutes, files, attached, stored, clock, services
):
    send(in_base64(), of_url(files.serves("/1", status=404), required=True))
    minutes(2)
    clock.advance(3 * 24 * 3600)
    minutes()
    row = stored()
    assert (row.state, row.error_code) == (TicketState.FAILED, "file_http_404")
    assert row.error_sentence == "File 2, which is required, is not to be had: its server answered 404."
    assert attached() == []
    files.serves("/1")
    services.store.move(row, ticket_states.redriven(row, clock()))
    minutes()
    assert attached() == [("evt_1", True, [GOODS, PHOTO])]


def test_an_upload_that_has_expired_is_made_again(send, minutes, files, attached, zendesk, clock):
    zendesk.account.faults.add(
        Fault("status", method="POST", path="/api/v2/tickets", status=503, times=1, headers={"Retry-After": "7000"})
    )
    send(of_url(files.serves("/1")), in_base64())
    minutes(2)
    assert attached() == []
    clock.advance(7100)
    minutes()
    assert attached() == [("evt_1", True, [PHOTO, GOODS])]
    assert len(zendesk.account.journal.calls("POST", "/api/v2/uploads")) == 4


def test_with_other_uploads_a_request_has_another_key(send, minutes, files, attached, zendesk, clock, stored):
    """Zendesk refuses a known key with other bytes, and a request whose answer was lost may be known."""
    zendesk.account.faults.add(Fault("drop", method="POST", path="/api/v2/tickets", times=1))
    send(of_url(files.serves("/1")))
    zendesk.account.faults.add(Fault("status", method="GET", path="/api/v2/tickets", status=500))
    minutes(2)
    assert stored().in_doubt
    zendesk.account.faults.clear()
    clock.advance(4000)
    minutes()
    assert attached() == [("evt_1", True, [PHOTO])]
    assert stored().attempt == 2


@pytest.mark.parametrize("required", [False, True])
def test_what_is_in_doubt_is_looked_for_before_its_files_are_fetched_again(
    send, minutes, files, attached, zendesk, clock, stored, required
):
    """They may no longer be had, though the ticket has them."""
    zendesk.account.faults.add(Fault("drop", method="POST", path="/api/v2/tickets", times=1, effect="before"))
    zendesk.account.faults.add(Fault("status", method="GET", path="/api/v2/tickets", status=500, times=None))
    send(of_url(files.serves("/1"), required=required), in_base64())
    minutes(2)
    assert stored().in_doubt
    clock.advance(4000)
    files.serves("/1", status=403)
    minutes(2)
    zendesk.account.faults.clear()
    minutes()
    assert stored().state == TicketState.CREATED
    assert [names for _, public, names in attached() if public] == [[PHOTO, GOODS]]
    assert len(files.asked) == 1


@pytest.mark.parametrize("landed", [True, False])
def test_so_is_an_update_in_doubt(send, minutes, files, attached, define, zendesk, clock, stored, landed):
    define(events=CASES, correlate="${event.thing}")
    send(event_id="one")
    minutes()
    (ticket,) = zendesk.account.tickets.all()
    path = f"/api/v2/tickets/{ticket['id']}"
    zendesk.account.faults.add(Fault("drop", method="PUT", path=path, times=1, effect="before" if landed else "never"))
    zendesk.account.faults.add(Fault("status", method="GET", path=f"{path}/audits", status=500, times=None))
    send(of_url(files.serves("/1")), event_id="two", kind="noted")
    minutes(2)
    assert stored("two").state == TicketState.ACCEPTED
    clock.advance(4000)
    if landed:
        files.serves("/1", status=403)
    zendesk.account.faults.clear()
    minutes()
    assert stored("two").state == TicketState.JOINED
    assert [names for _, public, names in attached() if public] == [[], [PHOTO]]
    assert len(files.asked) == (1 if landed else 2)


@pytest.mark.parametrize("seconds", [0, 6])
def test_one_events_files_are_brought_before_the_next_ones(send, minutes, files, clock, monkeypatch, seconds):
    """What is uploaded does not live long: with one file of each at a time, none of many might ever be complete. Slow
    files take more than a turn.
    """
    advance = files_of_rows.advance

    def takes_time(*given):
        clock.advance(seconds)
        return advance(*given)

    monkeypatch.setattr(files_of_rows, "advance", takes_time)
    for event in "abc":
        send(*(of_url(files.serves(f"/{event}{number}")) for number in range(3)), event_id=event)
    minutes()
    assert [path for path, *_ in files.asked] == [f"/{event}{number}" for event in "abc" for number in range(3)]


@pytest.mark.parametrize("effect", ["before", "never"])
def test_a_lost_answer_to_an_upload_is_no_second_file(send, minutes, files, attached, zendesk, effect):
    zendesk.account.faults.add(Fault("drop", method="POST", path="/api/v2/uploads", times=2, effect=effect))
    send(of_url(files.serves("/1")), in_base64())
    minutes()
    assert attached() == [("evt_1", True, [PHOTO, GOODS])]


@pytest.mark.parametrize("effect", ["before", "never"])
def test_a_lost_answer_to_the_create_is_no_second_file(send, minutes, files, attached, zendesk, effect):
    zendesk.account.faults.add(Fault("drop", method="POST", path="/api/v2/tickets", times=1, effect=effect))
    send(of_url(files.serves("/1")), in_base64())
    minutes()
    assert attached() == [("evt_1", True, [PHOTO, GOODS])]


def test_a_job_that_came_to_nothing_is_sent_again_with_new_uploads(send, minutes, files, attached, zendesk):
    zendesk.account.jobs.plans.append(JobPlan("killed", effect=False))
    send(of_url(files.serves("/1")))
    minutes()
    assert attached() == [("evt_1", True, [PHOTO])]
    assert len(zendesk.account.journal.calls("POST", "/api/v2/uploads")) == 2


def test_a_ticket_that_is_made_after_its_uploads_expired_has_a_note_to_look_at_it(
    send, minutes, files, attached, zendesk, clock
):
    zendesk.account.jobs.plans.append(JobPlan("completed", queued_seconds=7200))
    send(of_url(files.serves("/1")))
    minutes(1)
    clock.advance(7200)
    minutes()
    ((note, public, names),) = attached()[1:]
    assert note.endswith("- photo.png: Zendesk took the comment so late that it may lack this file.")
    assert (public, names) == (False, [])


def test_zendesk_may_refuse_a_file(send, minutes, files, attached, zendesk):
    body = json.dumps({"error": "AttachmentTooLarge", "description": "Attachment exceeds the maximum size allowed"})
    zendesk.account.faults.add(Fault("status", method="POST", path="/api/v2/uploads", status=413, body=body, times=1))
    send(of_url(files.serves("/1")), in_base64())
    minutes()
    assert attached()[0][2] == [GOODS]
    assert attached()[1][0].endswith("- photo.png: Zendesk does not take it.")


def test_the_files_wait_while_zendesk_throttles(send, minutes, files, attached, zendesk):
    fault = Fault("status", method="POST", path="/api/v2/uploads", status=429, headers={"Retry-After": "30"}, times=1)
    zendesk.account.faults.add(fault)
    send(of_url(files.serves("/1")))
    minutes()
    assert attached() == [("evt_1", True, [PHOTO])]


@pytest.mark.parametrize("landed", [True, False])
@pytest.mark.parametrize("number", range(14))
def test_whichever_write_fails_there_is_one_ticket_with_each_file_and_one_note(
    services, send, minutes, files, attached, dynamo, number, landed
):
    """As a worker that dies there: what it did is known to nobody else."""
    send(of_url(files.serves("/1")), in_base64(), of_url(files.serves("/gone", status=404), "gone.png"))
    seen = []
    dynamo.outages.append(
        Outage(("put_item",), DOWN, landed=landed, fits=lambda request: seen.append(1) or len(seen) == number + 1)
    )
    with contextlib.suppress(StoreUnavailable):
        minutes(1)
    minutes()
    texts = [(body.partition("\n")[0], public, names) for body, public, names in attached()]
    assert texts == [("evt_1", True, [PHOTO, GOODS]), ("Files that could not be attached to this ticket:", False, [])]


def test_a_backlog_with_files_goes_together(send, minutes, files, attached, zendesk):
    for number in range(12):
        send(in_base64(name=f"{number}.csv"), event_id=f"evt_{number}")
    minutes()
    assert sorted(attached()) == sorted((f"evt_{n}", True, [(f"{n}.csv", "text/csv")]) for n in range(12))


def test_an_event_that_joins_a_ticket_brings_its_files(send, minutes, files, attached, define):
    define(events=CASES, correlate="${event.thing}")
    send(of_url(files.serves("/1")), event_id="one")
    send(of_url(files.serves("/2"), "two.png"), event_id="two", kind="noted")
    send(in_base64(), event_id="three")
    minutes()
    assert attached() == [
        ("one", True, [PHOTO]),
        ("two", True, [("two.png", "image/png")]),
        ("three", True, [GOODS]),
    ]


def test_a_file_that_an_update_lacks_is_named_as_well(send, minutes, files, attached, define, stored):
    define(events=CASES, correlate="${event.thing}")
    send(event_id="one")
    minutes()
    send(of_url(files.serves("/2", status=404), "two.png"), event_id="two", kind="noted")
    minutes()
    assert stored("two").state == TicketState.JOINED
    note = "Files that could not be attached to this ticket:\n- two.png: its server answered 404."
    assert attached() == [("one", True, []), ("two", True, []), (note, False, [])]


def test_a_file_goes_along_to_the_follow_up_of_a_closed_ticket(send, minutes, files, attached, define, zendesk):
    define(events=CASES, correlate="${event.thing}")
    send(event_id="one")
    minutes()
    (ticket,) = zendesk.account.tickets.all()
    agent = zendesk.account.users.add("Agent", "agent@example.com", "agent")
    with zendesk.account.lock:
        zendesk.account.tickets.update(ticket["id"], {"status": "closed"}, agent)
    send(of_url(files.serves("/2")), event_id="two", kind="noted")
    minutes()
    assert attached() == [("one", True, []), ("two", True, [PHOTO])]
    assert len(zendesk.account.tickets.all()) == 2


def test_two_pollers_do_not_attach_twice(send, minutes, files, attached, other_services):
    send(of_url(files.serves("/1")), in_base64())
    other = other_services()
    for _ in range(8):
        minutes(1, by=other)
        minutes(1)
    assert attached() == [("evt_1", True, [PHOTO, GOODS])]


def test_neither_a_url_nor_a_name_is_logged(send, minutes, files, capsys, stored):
    send(of_url(files.serves(f"/{CANARY}", status=404), f"{CANARY}.png"), in_base64(CANARY.encode(), f"{CANARY}.csv"))
    minutes()
    output = capsys.readouterr()
    assert stored().state == TicketState.CREATED
    assert "http_404" in output.out + output.err
    assert CANARY not in output.out + output.err
