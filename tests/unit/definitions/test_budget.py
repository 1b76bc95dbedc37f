"""Hostile events, and what templates make of them within bounds."""

import json
import subprocess
import sys
import threading
import time

import jsone
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.builders import ROOT
from ticket_relay.definitions import budget, templates
from ticket_relay.errors import MappingFailed

NOW = "2026-11-21T22:00:00.000Z"
MANY = {"items": list(range(100_000)), "text": "x" * 100_000, "huge": 10**9}


def for_each(each):
    return {"$map": {"$eval": "event.items"}, "each(x)": each}


def repeated(times, each, initial):
    """`each` of the accumulated `it`, so many times over."""
    return {"$reduce": {"$eval": f"range(0, {times})"}, "initial": initial, "each(it, n)": each}


DOUBLED = repeated(60, {"$eval": "[it, it]"}, 0)

SLOW = {
    "a loop in a loop": for_each({"$let": {"n": for_each("y")}, "in": {"$eval": "len(n)"}}),
    "a search in a loop": for_each({"$eval": "-1 in event.items"}),
    "a loop that finds nothing": for_each({"$find": {"$eval": "event.items"}, "each(y)": "y < 0"}),
    "a loop that sorts": for_each({"$sort": {"$eval": "event.items"}, "by(y)": "0 - y"}),
}

LARGE = {
    "a text doubled": repeated(60, "${it}${it}", "x"),
    "a text added to itself": repeated(60, {"$eval": "it + it"}, "x"),
    "a list doubled": repeated(60, {"$flatten": [{"$eval": "[[it], [it]]"}]}, 0),
    "a tree doubled": DOUBLED,
    "a tree doubled in a loop": repeated(60, {"$map": [1, 2], "each(x)": {"$eval": "it"}}, 0),
    "a tree doubled in a template": repeated(60, [{"$eval": "it"}, {"$eval": "it"}], 0),
    "a tree of objects doubled": repeated(60, {"a": {"$eval": "it"}, "b": {"$eval": "it"}}, 0),
    "a tree flattened": {"$flattenDeep": DOUBLED},
    "a tree written down": {"$json": DOUBLED},
    "a tree compared": {"$let": {"a": DOUBLED, "b": DOUBLED}, "in": {"$eval": "a == b"}},
    "lists merged": repeated(60, {"$mergeDeep": [{"$eval": "it"}, {"$eval": "it"}]}, {"a": [1]}),
    "many long texts": for_each("${x}${event.text}"),
    "a range as long as the event says": {"$eval": "range(0, event.huge)"},
    "texts joined with a long one": {"$eval": "join(event.items, event.text)"},
    "a power": {"$eval": "event.huge ** event.huge"},
    "a power of a power": {"$eval": "9 ** 9 ** 9 ** 9"},
    "numbers squared": repeated(60, {"$eval": "it * it"}, 3),
    "code in the event": {"$find": [{"$eval": "event.huge ** event.huge"}], "each(x)": "true"},
    "a result that no request could hold": {"$map": [1, 2, 3, 4], "each(x)": {"$eval": "event.text"}},
}  # fmt: skip


def rendered(template, event=MANY):
    return templates.render(template, {"event": event, "now": NOW}, name="ticket")


@pytest.fixture
def hurried(monkeypatch):
    monkeypatch.setattr(budget, "MAX_SECONDS", 0.2)


@pytest.fixture
def patient(monkeypatch):
    """A busy machine must not decide which limit comes first."""
    monkeypatch.setattr(budget, "MAX_SECONDS", 60)


@pytest.mark.parametrize("template", SLOW.values(), ids=SLOW)
def test_what_takes_too_long_is_stopped(hurried, template):
    start = time.monotonic()
    with pytest.raises(MappingFailed) as failed:
        rendered(template)
    assert (failed.value.code, failed.value.sentence) == ("mapping_too_slow", "ticket: takes more than 0.2 seconds.")
    # Seconds of patience: a machine may be busy, and a single step is not interrupted.
    assert time.monotonic() - start < 5


@pytest.mark.parametrize("template", LARGE.values(), ids=LARGE)
def test_what_becomes_too_large_is_stopped(patient, template):
    with pytest.raises(MappingFailed) as failed:
        rendered(template)
    assert (failed.value.code, failed.value.sentence) == ("mapping_too_large", "ticket: becomes too large.")


def test_none_of_it_needs_more_memory_than_the_smallest_function_has(tmp_path):
    """Half of its 512 MB is left for everything else."""
    (tmp_path / "templates.json").write_text(json.dumps([list((SLOW | LARGE).values()), MANY]))
    code = """if True:
        import json, resource, sys
        from ticket_relay.definitions import budget, templates
        from ticket_relay.errors import MappingFailed
        budget.MAX_SECONDS = 1
        templates_, event = json.load(open(sys.argv[1]))
        [used] = [line for line in open("/proc/self/status") if line.startswith("VmSize")]
        limit = int(used.split()[1]) * 1024 + 256 * 2**20
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
        codes = set()
        for template in templates_:
            try:
                templates.render(template, {"event": event, "now": "2026-11-21T22:00:00.000Z"}, name="ticket")
            except MappingFailed as failed:
                codes.add(failed.code)
        print(*sorted(codes))
    """
    if sys.platform != "linux":
        pytest.skip("only Linux keeps to the limit")
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "templates.json")],
        env={"PYTHONPATH": str(ROOT / "layers/ticket_relay")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.stdout.split(), done.stderr) == (["mapping_too_large", "mapping_too_slow"], "")


@pytest.mark.parametrize("deep", ["[it]", "{a: it}"])
def test_a_value_that_is_too_deep_fails_as_a_mapping(patient, deep):
    with pytest.raises(MappingFailed) as failed:
        rendered(repeated(20_000, {"$eval": deep}, 0))
    assert failed.value.code == "mapping_failed"


@pytest.mark.parametrize(("most", "place"), [(600_000, "ticket.priority"), (400_000, "ticket")])
def test_the_search_for_the_place_of_a_failure_has_no_budget_of_its_own(monkeypatch, patient, most, place):
    """The two texts, 200 kB, are made once more on the way to what fails."""
    monkeypatch.setattr(budget, "MAX_MEMORY", most)
    template = {"subject": for_each("${x}${event.text}"), "priority": "${event.none}"}
    with pytest.raises(MappingFailed) as failed:
        rendered(template, {"items": [1, 2], "text": MANY["text"]})
    assert failed.value.sentence == f'{place}: object has no property "none".'


def test_each_thread_has_its_own_budget(patient):
    outcomes = []

    def render(template):
        try:
            outcomes.append(rendered(template, {"items": [1, 2]}))
        except MappingFailed as failed:
            outcomes.append(failed.code)

    for template in (for_each("${x}"), LARGE["a text doubled"]) * 4:
        threads = [threading.Thread(target=render, args=(each,)) for each in (template, for_each("${x}"))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert sorted(map(str, outcomes)) == ["['1', '2']"] * 12 + ["mapping_too_large"] * 4


def test_a_budget_ends_with_its_rendering():
    for _ in range(3):
        assert rendered("${event.text}") == MANY["text"]
        with pytest.raises(MappingFailed):
            rendered(LARGE["a text doubled"])


values = st.recursive(
    st.none() | st.booleans() | st.integers(-99, 99) | st.floats(-9, 9) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=10,
)
expressions = st.sampled_from(
    ["x", "x.a", "x[0]", "x[1:]", "x + x", "x * x", "x ** 2", "2 ** x", "x ** x", "[x, x]", "{a: x}", "-x ** 2 ** 2"]
    + [f"{function}(x)" for function in ("range", "join", "len", "str", "fromNow", "typeof", "defined", "min", "split")]
    + ["range(0, x)", "range(x, 9, 2)", "range(x, 0, -1)", "range(0, 9, 0)", "join(x, '-')", "join([1, 'a'], x)"]
)
operators = st.sampled_from(
    ["${EXPR}", "a ${EXPR} $${b}", {"${EXPR}": "${EXPR}"}, {"$eval": "EXPR"}, {"$if": "EXPR", "then": "EXPR"}]
    + [{name: {"$eval": "EXPR"}} for name in ("$flatten", "$flattenDeep", "$json", "$merge", "$reverse", "$sort")]
    + [{"$map": {"$eval": "EXPR"}, each: "${y}"} for each in ("each(y)", "each(y,i)")]
    + [{"$reduce": {"$eval": "EXPR"}, "initial": [], "each(acc, y)": {"$flatten": [{"$eval": "acc"}, [1]]}}]
    + [{"$let": {"y": {"$eval": "EXPR"}}, "in": [{"$eval": "y"}, "y"]}, {"$find": {"$eval": "EXPR"}, "each(y)": "y"}]
)


def plainly(template, context):
    """As jsone renders without us."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(budget._jsone, "renderValue", budget._render_value)
        patch.setattr(budget._jsone, "Interpreter", budget.Interpreter)
        try:
            return jsone.render(template, context)
        except templates._FAILURES:
            return "mapping_failed"


@given(values, expressions, operators)
def test_within_the_limits_everything_is_as_json_e_has_it(x, expression, operator):
    template = json.loads(json.dumps(operator).replace("EXPR", expression))
    try:
        ours = templates.render(template, {"x": x, "now": NOW}, name="ticket")
    except MappingFailed as failed:
        ours = failed.code
    assert repr(ours) == repr(plainly(template, {"x": x, "now": NOW}))
