import json

import pytest

from local.zendesk_simulator import Fault
from local.zendesk_simulator.faults import Faults
from local.zendesk_simulator.wire import Answer

TRUE = Answer.json(201, {"ticket": {"id": 35436}})


def struck(fault, calls):
    faults = Faults()
    faults.add(fault)
    return [faults.strike("POST", "/api/v2/tickets") is not None for _ in range(calls)]


def test_a_fault_strikes_once_unless_told_otherwise():
    assert struck(Fault("drop"), 3) == [True, False, False]
    assert struck(Fault("drop", times=2), 3) == [True, True, False]
    assert struck(Fault("drop", times=None), 3) == [True, True, True]


def test_a_random_fault_repeats_itself_with_its_seed():
    first = struck(Fault("drop", times=None, rate=0.3, seed=5), 200)
    assert first == struck(Fault("drop", times=None, rate=0.3, seed=5), 200)
    assert 30 < sum(first) < 90


@pytest.mark.parametrize(
    ("method", "path", "fits"),
    [
        ("*", "*", True),
        ("POST", "/api/v2/tickets", True),
        ("GET", "*", False),
        ("*", "/api/v2/tickets/*", False),
        ("*", "/api/v2/*", True),
    ],
)
def test_a_fault_strikes_calls_that_fit(method, path, fits):
    assert struck(Fault("drop", method=method, path=path), 1) == [fits]


def test_the_suffix_of_a_path_makes_no_difference():
    faults = Faults()
    faults.add(Fault("drop", path="/api/v2/tickets"))
    assert faults.strike("POST", "/api/v2/tickets.json")


@pytest.mark.parametrize(
    ("kind", "moment"),
    [("status", "never"), ("drop", "never"), ("html", "never"), ("malformed", "before"), ("delay", "before")],
)
def test_each_kind_has_its_usual_effect_and_may_have_another(kind, moment):
    assert Fault(kind).moment == moment
    assert Fault(kind, effect="after").moment == "after"


def test_a_dropped_call_has_no_answer():
    assert Fault("drop").disguise(TRUE) is None


def test_a_delayed_call_has_its_true_answer():
    assert Fault("delay", delay=1).disguise(TRUE) is TRUE


def test_a_malformed_answer_is_cut_in_half():
    answer = Fault("malformed").disguise(TRUE)
    assert answer.status == 201
    with pytest.raises(json.JSONDecodeError):
        json.loads(answer.body)


def test_an_error_page_is_html():
    answer = Fault("html").disguise(None)
    assert (answer.status, answer.headers["Content-Type"]) == (502, "text/html; charset=utf-8")


def test_a_status_comes_with_its_known_body_or_the_one_given():
    assert b"Number of allowed API requests" in Fault("status", status=429).disguise(None).body
    given = Fault("status", status=503, body="busy", headers={"Retry-After": "7"}).disguise(None)
    assert (given.status, given.body, given.headers["Retry-After"]) == (503, b"busy", "7")
