"""What must hold of a story, whatever workers and agents did when: judged by the audits that Zendesk has of it."""

from collections import Counter
from dataclasses import replace
from typing import Any

from tests.integration.update_ticket.updaters import Story, Update
from tests.integration.update_ticket.updates import THEIRS, Outcome, State

MARKER, OF_FIRST = "ticket_relay", "-first"


def check_story(story: Story) -> None:
    """Raises AssertionError, which says what is wrong."""
    _everybody_is_over(story)
    _each_landed_on_what_it_was_decided_on(story)
    _the_agents_own_is_as_she_left_it(story)
    _each_comment_is_there_once(story)
    _tags_are_as_the_last_decision_left_them(story)


def markers_of(audit: dict[str, Any]) -> list[str]:
    """The markers of the updates that an audit was made by, in their order; none for the agent's."""
    markers = audit["metadata"]["custom"].get(MARKER, [])
    return [markers] if isinstance(markers, str) else markers


def needless(story: Story) -> int:
    """How many updates came to their end without a change of the ticket."""
    landed = {marker for audit in story.audits for marker in markers_of(audit)}
    return sum(update.row.marker not in landed for update in story.updates)


def _everybody_is_over(story: Story) -> None:
    states = Counter(str(update.row.state) for update in story.updates)
    assert states.keys() <= {"applied", "skipped"}, f"not over, or not well: {states}"


def _each_landed_on_what_it_was_decided_on(story: Story) -> None:
    """Told in the order of the audits, each of ours is what its updates, one after the other, make of the ticket that
    the audit before left. An update without an audit has met a ticket that had no need of it.
    """
    state = _after(story.audits[0], State())
    met, met_by = [state], [0]  # all states, and of each audit the last of them
    landed: Counter[str] = Counter()
    for audit in story.audits[1:]:
        before, state = state, _after(audit, state)
        expected: State | None = before
        for marker, update in zip(markers_of(audit), _updates_of(audit, story), strict=True):
            landed[marker] += 1
            assert landed[marker] == 1, f"{update.wish.word} landed twice"
            assert update.row.state == "applied", f"{update.wish.word} has landed, but is {update.row.state}"
            expected = _outcome(marker, update, half=landed[marker + OF_FIRST] == 1)(expected)
            assert expected is not None, f"{update.wish.word} landed where its condition does not hold"
            met.append(expected)
        if markers_of(audit):
            assert state == expected, "landed on another ticket than it was decided on"
        else:
            assert audit["author_id"] == story.agent.agent.agent.id, "an update without a marker"
        met.append(state)
        met_by.append(len(met) - 1)
    for update in story.updates:
        if not landed[update.row.marker]:
            states = met[met_by[update.since - 1] :]
            assert any(_has_no_need(state, update) for state in states), (
                f"{update.wish.word} is {update.row.state}, but never landed"
            )


def _the_agents_own_is_as_she_left_it(story: Story) -> None:
    ticket, agent = story.ticket, story.agent
    custom = {field["id"]: field["value"] for field in ticket["custom_fields"]}
    assert (ticket["subject"], custom[THEIRS]) == (agent.subject, agent.value), "a field of the agent's is lost"
    assert {tag for tag in ticket["tags"] if tag.startswith(("stays", "theirs"))} == agent.tags, "a tag of hers is lost"


def _each_comment_is_there_once(story: Story) -> None:
    said = Counter(event["body"] for audit in story.audits for event in audit["events"] if event["type"] == "Comment")
    for update in story.updates:
        ours = {body: times for body, times in said.items() if body.endswith(update.wish.word)}
        times = 1 if update.wish.comments and update.row.state == "applied" else 0
        assert sum(ours.values()) == times, f"the comment of {update.wish.word}, {update.row.state}: {ours}"
        said -= Counter(ours)
    assert said == Counter(story.agent.comments), "a comment of the agent's"


def _tags_are_as_the_last_decision_left_them(story: Story) -> None:
    wanted: dict[str, bool] = {}
    for audit in story.audits:
        for update in _updates_of(audit, story):
            wanted |= dict.fromkeys(update.wish.adds, True) | dict.fromkeys(update.wish.removes, False)
        for event in audit["events"]:
            if event.get("field_name") == "tags" and not markers_of(audit):
                before, now = set(event.get("previous_value") or ()), set(event["value"])
                wanted |= dict.fromkeys(now - before, True) | dict.fromkeys(before - now, False)
    tags = set(story.ticket["tags"])
    wrong = sorted(tag for tag, is_wanted in wanted.items() if is_wanted != (tag in tags))
    assert not wrong, f"lost, or back again: {wrong}"


def _has_no_need(state: State, update: Update) -> bool:
    return update.wish.outcome(state) == (None if update.row.state == "skipped" else state)


def _updates_of(audit: dict[str, Any], story: Story) -> list[Update]:
    by_marker = {update.row.marker: update for update in story.updates}
    return [by_marker[marker.removesuffix(OF_FIRST)] for marker in markers_of(audit)]


def _outcome(marker: str, update: Update, *, half: bool) -> Outcome:
    """What the request that left this marker was to do; `half`, if another one went before it."""
    if marker.endswith(OF_FIRST) or half:
        assert update.wish.halves, f"{update.wish.word} took two requests"
        return update.wish.halves[1 if half else 0]
    return update.wish.outcome


def _after(audit: dict[str, Any], state: State) -> State:
    for event in audit["events"]:
        match event:
            case {"type": "Comment", "body": body}:
                state = state.saying(body)
            case {"type": "EmailCcChange", "current_email_ccs": people}:
                state = replace(state, email_ccs=frozenset(people))
            case {"field_name": "tags", "value": tags}:
                state = replace(state, tags=frozenset(tags))
            case {"field_name": "subject" | "priority" | "type" as name, "value": value}:
                state = replace(state, **{name: value})
            case {"field_name": str(key), "value": value} if key.isdigit():
                state = state.with_fields({int(key): value})
            case {"type": kind}:
                assert kind == "Create", f"nobody was to do this: {event}"
    return state
