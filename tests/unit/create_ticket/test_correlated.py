"""Every order of events, accidents and deaths of workers ends with one open ticket for each thing that is on."""

import contextlib
from unittest import mock

import hypothesis
import pytest
from hypothesis import settings as how_much
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from cli.redrive import redrive
from tests import builders
from tests.builders import NOW, SECRETS, body_of, signed
from tests.fakes import Clock, Killed, OpenGate
from tests.integration.create_ticket.alerts import definition
from tests.unit.create_ticket.desk import Desk, FragileStore, MemoryCorrelations, NoItems, Strokes
from ticket_relay.create_ticket import correlated, webhook
from ticket_relay.definitions import loader
from ticket_relay.errors import StaleRow
from ticket_relay.poll_jobs import poller
from ticket_relay.rate_limits.permit import Deadline
from ticket_relay.services import Services
from ticket_relay.storage.rows import TicketRow, TicketState
from ticket_relay.zendesk.errors import NotSent, OutcomeUnknown, Rejected, Throttled

THINGS = st.sampled_from(["disk", "fan"])
KINDS = st.sampled_from(["fired", "fired", "noted", "resolved"])
MOMENTS = st.integers(1, 24)
DEATHS = st.none() | MOMENTS
CALLS = st.sampled_from(["create_ticket", "update_ticket", "find_tickets", "show_ticket", "job_statuses", "audits"])
ACCIDENTS = st.sampled_from(
    [NotSent("zendesk_unreachable", "No connection."), OutcomeUnknown("zendesk_timeout", "No answer."), Killed()]
)
LOST = st.sampled_from([OutcomeUnknown("zendesk_timeout", "No answer."), Throttled(503, 5), Killed()])
JOBS = st.sampled_from(
    [
        ("failed", False, None),
        ("failed", True, None),
        ("queued", True, None),
    ]
)

REFUSED = ("completed", False, "TicketCreateFailed")


@pytest.fixture(autouse=True)
def _powertools(lambda_environment):
    pass


class KnownSecrets:
    def signing(self, _arn, sender):
        return [SECRETS[sender]]


class EventsMachine(RuleBasedStateMachine):
    """Each thing's sender sends one event after the other, each until it is answered."""

    def __init__(self):
        super().__init__()
        self.patches = contextlib.ExitStack()

    @initialize(key_honoured=st.booleans())
    def begin(self, key_honoured):
        self.clock, self.strokes = Clock(), Strokes()
        self.clock.time = NOW
        self.zendesk = Desk(self.clock, key_honoured=key_honoured)
        self.store = FragileStore(self.strokes)
        self.services = Services(
            builders.settings(),
            NoItems(),
            self.store,
            OpenGate(),
            self.zendesk,
            KnownSecrets(),
            None,
            now=self.clock,
            sleep=self.clock.advance,
        )
        items, acme = MemoryCorrelations(self.strokes), definition()
        self.patches.enter_context(mock.patch.object(correlated, "Correlations", return_value=items))
        self.patches.enter_context(mock.patch.object(loader, "partners", return_value={"acme": acme}))
        self.answered = {"disk": [], "fan": []}
        self.unanswered = {}
        self.at_once = []
        self.in_order = True

    @rule(thing=THINGS, kind=KINDS, death=DEATHS)
    def event_comes(self, thing, kind, death):
        event = self.unanswered.setdefault(thing, (kind, f"{thing}-{len(self.answered[thing])}"))
        self.strokes.at(death)
        try:
            self.deliver(thing, *event)
        except Killed:
            return
        finally:
            self.strokes.at(None)
        self.answered[thing].append(self.unanswered.pop(thing))

    @rule(thing=THINGS, which=st.integers(0, 20))
    def event_comes_again(self, thing, which):
        if self.answered[thing]:
            before = {pk: row.state for pk, row in self.store.rows.items()}
            self.deliver(thing, *self.answered[thing][which % len(self.answered[thing])])
            assert {pk: row.state for pk, row in self.store.rows.items()} == before

    @rule(call=CALLS, accident=ACCIDENTS)
    def next_call_will_fail(self, call, accident):
        self.zendesk.before.append((call, accident))

    @rule(accident=LOST, call=st.sampled_from(["create_ticket", "update_ticket"]))
    def next_answer_will_be_lost(self, accident, call):
        self.zendesk.after.append((call, accident))

    @rule()
    def next_update_will_be_refused(self):
        self.zendesk.before.append(("update_ticket", Rejected(422, "RecordInvalid", "Comment: is invalid")))

    @rule(thing=THINGS, kind=KINDS)
    def next_ticket_will_be_refused(self, thing, kind):
        self.zendesk.next_job.insert(0, REFUSED)
        self.event_comes(thing, kind, None)
        self.run_or_die()
        self.zendesk.next_job = [job for job in self.zendesk.next_job if job != REFUSED]

    @rule(job=JOBS)
    def next_job_will_go_wrong(self, job):
        if len(self.zendesk.next_job) < 2:
            self.zendesk.next_job.append(job)

    @rule(seconds=st.sampled_from([1, 20, 60, 600]))
    def time_passes(self, seconds):
        self.clock.advance(seconds)
        if seconds >= 600:
            self.zendesk.queue_moves_on()

    @rule(death=DEATHS)
    def poller_runs(self, death):
        self.strokes.at(death)
        with contextlib.suppress(Killed):
            self.run()
        self.strokes.at(None)

    @rule(moment=MOMENTS)
    def two_pollers_run(self, moment):
        self.strokes.at(moment, self.run_or_die)
        with contextlib.suppress(Killed):
            self.run()
        self.strokes.at(None)

    @rule(thing=THINGS, kind=KINDS, other=KINDS, moment=MOMENTS)
    def two_events_come_at_once(self, thing, kind, other, moment):
        if thing in self.unanswered:
            return
        number = len(self.answered[thing])
        events = [(kind, f"{thing}-{number}"), (other, f"{thing}-{number + 1}")]
        self.at_once.append({event_id for _, event_id in events})
        self.strokes.at(moment, lambda: self.deliver_or_die(thing, *events[1]))
        self.deliver_or_die(thing, *events[0])
        self.strokes.at(None)
        for event in events:
            self.deliver_or_die(thing, *event)
        self.answered[thing] += events

    @rule(thing=THINGS, kind=KINDS, moment=MOMENTS)
    def an_event_comes_twice_at_once(self, thing, kind, moment):
        if thing in self.unanswered:
            return
        event = (kind, f"{thing}-{len(self.answered[thing])}")
        self.strokes.at(moment, lambda: self.deliver_or_die(thing, *event))
        self.deliver_or_die(thing, *event)
        self.strokes.at(None)
        self.deliver_or_die(thing, *event)
        self.answered[thing].append(event)

    @rule(thing=THINGS, kind=KINDS, moment=MOMENTS)
    def event_comes_while_the_poller_runs(self, thing, kind, moment):
        if thing in self.unanswered:
            return
        event = (kind, f"{thing}-{len(self.answered[thing])}")
        self.strokes.at(moment, self.run_or_die)
        self.deliver_or_die(thing, *event)
        self.strokes.at(None)
        self.deliver_or_die(thing, *event)
        self.answered[thing].append(event)

    @rule(thing=THINGS, status=st.sampled_from(["open", "pending", "solved", "closed"]))
    def agent_edits_the_ticket(self, thing, status):
        tickets = self.zendesk.about(thing)
        if tickets and tickets[-1]["status"] != "closed":
            self.zendesk.change(tickets[-1]["id"], status=status)

    @rule(moment=MOMENTS)
    def operator_redrives(self, moment):
        self.strokes.at(moment, self.run_or_die)
        self.redrive()
        self.strokes.at(None)

    @rule(moment=MOMENTS)
    def operator_redrives_while_the_poller_runs(self, moment):
        self.strokes.at(moment, self.redrive)
        self.run_or_die()
        self.strokes.at(None)

    @invariant()
    def no_thing_has_two_open_tickets(self):
        if hasattr(self, "zendesk"):
            for thing in ("disk", "fan"):
                assert len(self.open(thing)) <= 1

    @invariant()
    def no_comment_is_there_twice(self):
        if hasattr(self, "zendesk"):
            for thing in ("disk", "fan"):
                assert len(self.comments(thing)) == len(set(self.comments(thing)))

    def teardown(self):
        """The trouble is over: everything comes to its end, and then each thing fires once more, and resolves."""
        try:
            if hasattr(self, "zendesk"):
                self.end()
        finally:
            self.patches.close()

    def end(self):
        self.zendesk.before.clear()
        self.zendesk.after.clear()
        self.zendesk.next_job.clear()
        for thing, event in self.unanswered.items():
            self.deliver(thing, *event)
            self.answered[thing].append(event)
        self.settle()
        for _ in range(3):
            if any(row.state == TicketState.FAILED for row in self.store.rows.values()):
                self.redrive()
                self.settle()
        for kind, open_tickets in (("fired", 1), ("resolved", 0)):
            for thing, events in self.answered.items():
                events.append((kind, f"{thing}-{len(events)}"))
                self.deliver(thing, *events[-1])
            self.settle()
            for thing in self.answered:
                assert len(self.open(thing)) == open_tickets
        for thing, events in self.answered.items():
            comments = self.comments(thing)
            expected = self.expected(events, comments)
            assert comments == expected if self.in_order else sorted(comments) == sorted(expected)

    def expected(self, events, comments):
        """Each comment in the order in which the events came; but what came before the first ticket comes behind it.

        Of two that came at once, either is the first.
        """
        rows = [(kind, self.store.rows[f"ticket#acme#{event_id}"]) for kind, event_id in events]
        for kind, row in rows:
            assert isinstance(row, TicketRow)
            assert row.state in {TicketState.CREATED, TicketState.JOINED} or (
                kind != "fired" and (row.state, row.error_code) == (TicketState.UNMAPPED, "ticket_missing")
            )
        told = [
            row.event_id for _, row in rows if row.state != TicketState.UNMAPPED and row.error_code != "ticket_closed"
        ]
        for both in self.at_once:
            places = [place for place, event_id in enumerate(told) if event_id in both]
            for place, event_id in zip(
                places, sorted((told[each] for each in places), key=comments.index), strict=True
            ):
                told[place] = event_id
        first = next(event_id for event_id in told if self.store.rows[f"ticket#acme#{event_id}"].joining.do == "create")
        return [first, *(event_id for event_id in told if event_id != first)]

    def redrive(self):
        """Who was refused comes later than those who were not."""
        for row in list(self.store.rows.values()):
            hypothesis.event(f"{type(row).__name__} {row.state} {row.error_code}")
            if row.state in {TicketState.FAILED, TicketState.UNMAPPED}:
                self.in_order = False
                with contextlib.suppress(Killed, StaleRow):
                    redrive(self.store, row, self.clock())

    def deliver_or_die(self, thing, kind, event_id):
        """One that dies is repeated, until it is answered."""
        for _ in range(5):
            try:
                return self.deliver(thing, kind, event_id)
            except (Killed, StaleRow):
                continue
        raise AssertionError("never answered")

    def run_or_die(self):
        """While another worker is at work, which is for less than a lease."""
        with contextlib.suppress(Killed):
            self.run(seconds=15)

    def deliver(self, thing, kind, event_id):
        body = body_of({"kind": kind, "thing": thing, "text": event_id})
        headers = signed(body, id=event_id, at=self.clock())
        webhook.receive(self.services, "acme", headers, body, Deadline.after(3))

    def run(self, seconds=50):
        end = self.clock() + seconds
        poller.run(self.services, lambda: end - self.clock(), self.services.sleep)

    def settle(self):
        self.zendesk.queue_moves_on()
        for _ in range(40):
            self.run()
            self.clock.advance(600)

    def open(self, thing):
        return [ticket for ticket in self.zendesk.about(thing) if ticket["status"] not in {"solved", "closed"}]

    def comments(self, thing):
        return [text for ticket in self.zendesk.about(thing) for text in ticket["comments"]]


EventsMachine.TestCase.settings = how_much(max_examples=200, stateful_step_count=25, deadline=None)
TestEveryOrderOfEvents = EventsMachine.TestCase
