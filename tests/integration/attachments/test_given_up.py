"""Files that kill their worker, or that Zendesk never takes: each ends, and is not given up for another's fault."""

import contextlib

import pytest

from local.zendesk_simulator import Fault
from tests.fakes import Killed
from tests.integration.attachments.events import GOODS, PHOTO, in_base64, of_url
from ticket_relay.attachments import files as files_of_rows
from ticket_relay.errors import SecretsUnavailable
from ticket_relay.states.files import MOST_FAULTS, MOST_TRIES, RESERVED
from ticket_relay.storage.rows import TicketState


@pytest.fixture
def killed(monkeypatch, minutes, clock):
    """So many workers die in the middle of a file; how many took it up."""

    def killed(times):
        def dies(*_):
            deaths.append(1)
            raise Killed

        deaths = []
        with monkeypatch.context() as patch:
            patch.setattr(files_of_rows, "checked_type", dies)
            for _ in range(times):
                with contextlib.suppress(Killed):
                    minutes(1)
                clock.advance(RESERVED)
        return len(deaths)

    return killed


def test_a_file_of_which_every_worker_dies_is_named_in_the_note(send, minutes, files, attached, killed):
    send(of_url(files.serves("/1")))
    assert killed(20) == MOST_TRIES
    minutes()
    note = "Files that could not be attached to this ticket:\n- photo.png: the relay could not finish with it."
    assert attached() == [("evt_1", True, []), (note, False, [])]


def test_a_required_file_of_which_every_worker_dies_fails_the_event(send, files, attached, killed, stored, counted):
    send(of_url(files.serves("/1"), required=True))
    assert killed(20) == MOST_TRIES
    assert (stored().state, stored().error_code) == (TicketState.FAILED, "file_unfinished")
    assert attached() == []
    assert counted("AttachmentMissing") == 1


def test_a_worker_or_two_that_die_change_nothing(send, minutes, files, attached, killed):
    send(of_url(files.serves("/1")), in_base64())
    killed(2)
    minutes()
    assert attached() == [("evt_1", True, [PHOTO, GOODS])]


def test_a_file_is_not_given_up_while_the_secrets_cannot_be_read(
    send, minutes, files, attached, services, monkeypatch, clock
):
    def down(*_):
        raise SecretsUnavailable("No.")

    send(of_url(files.serves("/1")))
    with monkeypatch.context() as patch:
        patch.setattr(type(services), "download_headers", down)
        for _ in range(MOST_TRIES + 1):
            minutes(1)
            clock.advance(RESERVED)
    minutes()
    assert attached() == [("evt_1", True, [PHOTO])]


@pytest.mark.parametrize("kind", [{"kind": "status", "status": 500}, {"kind": "drop"}], ids=["500", "no answer"])
def test_a_file_that_zendesk_never_takes_is_named_in_the_note(
    send, minutes, files, attached, zendesk, clock, stored, kind
):
    zendesk.account.faults.add(Fault(method="POST", path="/api/v2/uploads", times=None, **kind))
    send(of_url(files.serves("/1")), in_base64())
    for _ in range(2 * MOST_FAULTS):
        minutes(1)
        if stored().uploads[0].reason:
            break
        clock.advance(4000)
    zendesk.account.faults.clear()
    minutes()
    note = "Files that could not be attached to this ticket:\n- photo.png: Zendesk fails to take it."
    assert attached() == [("evt_1", True, [GOODS]), (note, False, [])]


def test_a_required_file_waits_for_zendesk_for_as_long_as_for_its_own_server(
    send, minutes, files, attached, zendesk, clock, stored
):
    fault = Fault("status", method="POST", path="/api/v2/uploads", status=500, times=MOST_FAULTS + 3)
    zendesk.account.faults.add(fault)
    send(of_url(files.serves("/1"), required=True))
    for _ in range(MOST_FAULTS + 1):
        minutes(1)
        clock.advance(4000)
    assert (stored().state, stored().error_code) == (TicketState.ACCEPTED, "file_upload_failed")
    for _ in range(3):
        minutes(1)
        clock.advance(4000)
    minutes()
    assert attached() == [("evt_1", True, [PHOTO])]
