"""Which rules may be swept: `relay check` tries them on their samples."""

import json

import pytest

from tests.unit.definitions.tree import TICKET

SWEPT = """\
rule: raise
sweep: true
sample:
  event: events/update.json
  ticket: events/ticket.json
when: ticket.status == 'open' && !('raised' in ticket.tags)
changes:
  priority: high
  tags:
    add: [raised, "by_${event.rule}"]
"""


def test_a_rule_that_comes_to_rest_may_be_swept(tree):
    tree.write("updates/raise.yaml", SWEPT)
    assert tree.run("--check") == 0


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        (
            "[raised, ",
            "[rose, ",
            "2: sweep: when still holds once the changes are applied, on the sample",
        ),
        ('  tags:\n    add: [raised, "by_${event.rule}"]', "  assignee_email: a@example.com", "2: sweep: when still"),
        ("  ticket: events/ticket.json\nwhen: ", "  ticket: events/ticket.json\n#", "2: sweep: needs when"),
        ("changes:", "on_conflict: merge\nchanges:", "7: on_conflict: must be reapply with sweep"),
        ("changes:", "on_closed: follow_up\nchanges:", "7: on_closed: must be fail with sweep"),
        ("sweep: true", "sweep: yes please", "2: sweep: Input should be a valid boolean"),
        ("event.rule", "event.tag", "10: changes.tags.add[1]: of event, a rule with sweep sees only"),
        ("event.rule", "event['rule']", "10: changes.tags.add[1]: of event"),
        ("'open'", "event.status", "6: when: of event"),
        ("'open'", "len([event.updated_at, event])", "6: when: of event"),
        ("'raised' in ticket.tags", "{a:{b:event.rule},c:[event]}.a.b in ticket.tags", "6: when: of event"),
        ("ticket.status == 'open' &&", "true || event.tag == 'vip' ||", "6: when: of event"),
    ],
)
def test_a_rule_that_a_ticket_alone_does_not_decide_is_not_swept(tree, old, new, problem):
    assert old in SWEPT
    tree.write("updates/raise.yaml", SWEPT.replace(old, new))
    assert any(told.startswith(f"updates/raise.yaml:{problem}") for told in tree.problems())


def test_a_sample_on_which_nothing_is_left_to_do_proves_nothing(tree):
    tree.write("updates/raise.yaml", SWEPT.replace("add: [raised, ", "remove: [raised, "))
    tree.write("events/ticket.json", json.dumps({"ticket": TICKET | {"priority": "high"}}))
    assert tree.problems() == ["updates/raise.yaml:2: sweep: cannot be tried: on the sample nothing is left to change"]
