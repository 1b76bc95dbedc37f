import json

import pytest

from tests.builders import CANARY, NOW, ticket_row
from ticket_relay.states import ticket as ticket_states
from ticket_relay.storage.store import count_and_log
from ticket_relay.zendesk.errors import Rejected


@pytest.fixture(autouse=True)
def _powertools(lambda_environment):
    pass


def lines(capsys):
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_a_new_state_is_one_metric_and_one_line(capsys, counted):
    row = ticket_states.held(ticket_row(), NOW)
    count_and_log(ticket_states.created(row, 7, NOW), row)
    assert counted("TicketCreated") == 1
    (line,) = lines(capsys)
    assert (line["message"], line["pk"], line["state"]) == ("row moved", "ticket#acme#evt_1", "created")


def test_a_new_state_is_counted_by_partner_only_on_demand(capsys):
    row = ticket_row()
    count_and_log(row, None)
    assert [line for line in lines(capsys) if "partner" in line] == []
    count_and_log(row, None, by_partner=True)
    (metric,) = [line for line in lines(capsys) if "partner" in line]
    assert (metric["TicketAccepted"], metric["partner"]) == ([1.0], "acme")


def test_the_same_state_is_neither(capsys, counted):
    row = ticket_row()
    count_and_log(ticket_states.held(row, NOW), row)
    assert counted("TicketAccepted") == 0
    assert lines(capsys) == []


def test_zendesks_own_sentence_stays_in_the_row(capsys):
    row = ticket_row()
    error = Rejected(422, "RecordInvalid", f"Requester {CANARY} is suspended")
    count_and_log(ticket_states.on_create_error(row, error, NOW, doubtful_pause=15), row)
    (line,) = lines(capsys)
    assert line["reason"] == "RecordInvalid"
    assert CANARY not in json.dumps(line)
