"""Alarms, dashboard and queries against what the functions write: all that the relay counts is provoked once."""

import asyncio
import contextlib
import io
import json
import time
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import aiohttp
import boto3
import pytest

from local import artefacts
from local.aws import cloud
from local.aws import template as templates
from local.demo.partner import Event, Partner
from local.runtimes.runtime import ACCESS_KEY, SECRET_KEY
from local.zendesk_simulator import Drop, Fault
from tests import watching
from tests.builders import signed
from tests.e2e.chaos import agents
from tests.e2e.chaos.incidents import REFUSAL
from tests.e2e.chaos.proxy import Trouble
from tests.e2e.chaos.world import World, broken_world
from tests.e2e.chaos.zendesk import CREATE
from tests.watching import Line, Metric
from ticket_relay.poll_jobs.sweep import MOST_A_DAY
from ticket_relay.states import ticket as ticket_states
from ticket_relay.states import update as update_states
from ticket_relay.storage.attribute_values import to_wire
from ticket_relay.storage.correlations import MOST_PENDING
from ticket_relay.storage.rows import UpdateRow, correlation_pk, update_pk
from ticket_relay.storage.store import _item

IN_UNIT_TESTS = {Metric(watching.NAMESPACE, name) for name in ("SecretsStale", "PollerNotStarted")}
"""Written only by a function that has read its secrets a minute ago or more (tests/unit/test_secrets_manager.py), or
whose invocation of another one Lambda refuses (tests/unit/test_poller_start.py).
"""

POLLER_REPORT = "poll_jobs | REPORT"
"""Begins the runtime's line at the end of a run."""
ONCE = (
    "ZendeskDroppedFields",
    "FollowersIgnored",
    "PropertyIgnored",
    "UpdateConflict",
    "UpdateConflicted",
    "CorrelationTakenOver",
)
"""Written at the end of a poller's run, for what is provoked once."""
MANY = 10
"""So many tickets with waiting updates are updated in one job."""


class Provoked:
    """A broken world in which everything is made to happen once, in turn."""

    def __init__(self, world: World, http: aiohttp.ClientSession) -> None:
        self.world = world
        self.http = http
        self.acme = world.partner
        self.globex = Partner.of("globex", world.stack.ready)

    async def eventually(self, come: Callable[[], Awaitable[object]], within: float = 120) -> None:
        end = time.monotonic() + within
        while not await come():
            assert time.monotonic() < end, "it did not come about"
            await asyncio.sleep(0.1)

    async def send(self, event: Event, *, by: Partner | None = None, **how: Any) -> int:
        return (await (by or self.acme).deliver(self.http, event, **how)).status

    async def row(self, pk: str) -> dict[str, Any]:
        return (await self.world.items()).get(pk, {})

    async def reaches(self, pk: str, state: str) -> None:
        async def there() -> bool:
            return (await self.row(pk)).get("state") == state

        await self.eventually(there)

    async def put(self, item: dict[str, Any]) -> None:
        """Past the proxy, and without a condition: what no relay would write."""
        dynamodb = self._client("dynamodb", self.world.table.meta.client.meta.endpoint_url)
        await asyncio.to_thread(dynamodb.put_item, TableName=self.world.table.name, Item=to_wire(item))

    def _client(self, service: Any, url: str) -> Any:
        return boto3.client(
            service,
            endpoint_url=url,
            region_name=self.world.stack.ready["aws_region"],
            aws_access_key_id=ACCESS_KEY,
            aws_secret_access_key=SECRET_KEY,
        )

    def fault(self, kind: Any, path: str, method: str, **fault: Any) -> Fault:
        return self.world.plan("for once", Fault(kind, path=path, method=method, **fault))

    def event(self, **incident: Any) -> Event:
        content = json.loads(self.acme.sample)
        content["incident"] |= incident
        return Event("acme", json.dumps(content).encode())

    async def a_key_is_missing(self) -> None:
        """Before anything else, since a function remembers for a minute what it has read."""
        manager = self._client("secretsmanager", self.world.stack.ready["aws_url"])
        keys = {"SecretId": "ticket-relay/PartnerSecrets"}
        whole = manager.get_secret_value(**keys)["SecretString"]
        manager.put_secret_value(**keys, SecretString=json.dumps({"acme": json.loads(whole)["acme"]}))
        assert await self.send(self.globex.event(), by=self.globex) == 401
        manager.put_secret_value(**keys, SecretString=whole)
        for pid in self.world.runtimes.pids("create_ticket"):
            self.world.runtimes.kill(pid)

        async def known() -> bool:
            return await self.send(self.globex.event(), by=self.globex) == 202

        await self.eventually(known)

    async def events(self) -> None:
        first, names = self.acme.event(), self.world.account.names
        names.closed, names.ticket_fields = True, []
        assert await self.send(first) == 202
        await self.reaches(first.pk, "created")
        names.closed = False
        assert await self.send(first) == 202
        assert await self.send(replace(self.event(title="Another"), id=first.id)) == 202
        content = json.loads(self.globex.sample) | {"event": "refund.cancelled"}
        unwanted = Event("globex", json.dumps(content).encode())
        assert await self.send(unwanted, by=self.globex) == 200
        unmapped = self.event(reporter=None, affected_regions=7)
        assert await self.send(unmapped) == 202
        await self.reaches(unmapped.pk, "unmapped")

        # What an operator's redrive makes of an event that could not be mapped, and is not wanted.
        now = time.time()
        row = ticket_states.claimed("globex", "evt_redriven", b"", now, closed_until=now)
        await self.put(_item(row.model_copy(update={"request": None, "event": unwanted.body})))
        await self.reaches(row.pk, "ignored")

        self.fault("status", CREATE, "POST", status=422, body=REFUSAL, content_type="application/json")
        refused = self.acme.event()
        await self.send(refused)
        await self.reaches(refused.pk, "failed")

        doubtful = self.acme.event()
        account = self.world.account
        for _ in range(2):
            ticket = {"subject": "There already", "comment": {"body": "x"}, "external_id": doubtful.external_id}
            account.tickets.create(ticket, account.relay)
        self.fault("status", CREATE, "POST", status=500)
        await self.send(doubtful)
        await self.reaches(doubtful.pk, "created")

    async def events_about_one_thing(self) -> None:
        hooli = Partner.of("hooli", self.world.stack.ready)
        sample = json.loads(hooli.sample)

        def alerts(*fingerprints: str, status: str = "firing") -> bytes:
            (alert, *_) = sample["alerts"]
            times = {"startsAt": "2026-11-22T10:00:00Z", "endsAt": "2026-11-22T11:00:00Z"}
            of_each = [alert | times | {"fingerprint": it, "status": status} for it in fingerprints]
            return json.dumps(sample | {"alerts": of_each}).encode()

        def pk(fingerprint: str, status: str = "firing") -> str:
            return f"ticket#hooli#{fingerprint}-2026-11-22T10:00:00Z-{status}"

        assert await self.send(Event("hooli", alerts("f1")), by=hooli) == 202
        await self.reaches(pk("f1"), "created")
        assert await self.send(Event("hooli", alerts("f1", status="resolved")), by=hooli) == 202
        await self.reaches(pk("f1", "resolved"), "joined")

        # Another event led, and its row is gone; or very many wait already.
        await self.put({"pk": correlation_pk("hooli", "f2"), "leader": "ticket#hooli#gone", "term": 1})
        waiting = [f"ticket#hooli#{number}" for number in range(MOST_PENDING)]
        await self.put({"pk": correlation_pk("hooli", "f3"), "leader": pk("f1"), "term": 1, "pending": waiting})
        for fingerprint in ("f2", "f3"):
            assert await self.send(Event("hooli", alerts(fingerprint)), by=hooli) == 202
        await self.reaches(pk("f2"), "created")

        # What an operator's redrive makes of a delivery that could not be split before.
        now = time.time()
        row = ticket_states.claimed("hooli", "evt_split", None, now, closed_until=now)
        await self.put(_item(row.model_copy(update={"event": alerts("f4", "f5")})))
        await self.reaches(row.pk, "split")

    async def requests_that_are_refused(self) -> None:
        event = self.acme.event()
        assert await self.send(event, by=replace(self.acme, secret=self.globex.secret)) == 401
        assert await self.send(event, ago=3600) == 401

    async def zendesk_says_something_on_the_side(self) -> None:
        self.fault("status", CREATE, "POST", status=429, headers={"Retry-After": "1"})
        throttled = self.acme.event()
        await self.send(throttled)
        await self.reaches(throttled.pk, "created")
        warning = ':unpermitted_keys=>["colour"]'
        headers = {"x-zendesk-api-warn": warning, "ratelimit-remaining": "650"}
        self.fault("status", "/api/v2/job_statuses*", "GET", status=200, body='{"job_statuses": []}', headers=headers)
        event = self.acme.event()
        await self.send(event)
        await self.reaches(event.pk, "created")

    async def the_table_fails(self) -> None:
        trouble = Trouble("broken", rate=1.0)
        self.world.proxy.trouble = trouble
        assert await self.send(self.acme.event()) == 503
        # Long enough for a poller to meet it in the middle of its work, too.
        self.world.proxy.trouble = None

        claimed = self.acme.event()
        self.fault("delay", CREATE, "POST", delay=1.0)
        sending = asyncio.create_task(self.send(claimed))
        await self.reaches(claimed.pk, "accepted")
        self.world.proxy.trouble = trouble
        assert await sending == 202
        self.world.proxy.trouble = None

    async def another_worker_is_faster(self) -> None:
        now = time.time()
        request = json.dumps({"ticket": {"subject": "x", "comment": {"body": "x"}}}).encode()
        row = ticket_states.claimed("acme", "evt_overtaken", request, now, closed_until=now)
        # One of them is for this row, whatever else is still to be sent.
        self.fault("delay", CREATE, "POST", delay=1.0, times=5)
        await self.put(_item(row))

        async def leased() -> bool:
            return "leased_at" in await self.row(row.pk)

        await self.eventually(leased)
        taken = _item(row) | {"version": 90, "due_at": time.time() + 3600}
        await self.put(taken)

    async def bugs_and_broken_rows(self) -> None:
        # Nothing that the relay writes: what reads it meets a type that it does not expect.
        await self.put({"pk": "gate", "closed_until": "soon"})
        assert await self.send(self.acme.event()) == 503
        await asyncio.to_thread(self.world.table.delete_item, Key={"pk": "gate"})
        now = time.time()
        row = ticket_states.claimed("acme", "evt_unreadable", b"", now, closed_until=now)
        await self.put(_item(row) | {"partner": None})

    async def updates(self) -> None:
        account = self.world.account
        agent = account.users.agent("dana@example.com")

        def ticket() -> dict[str, Any]:
            return account.tickets.create({"subject": "x", "comment": {"body": "x"}}, agent)[0]

        async def tell(ticket: dict[str, Any], *, invocation: str | None = None, **body: Any) -> str:
            invocation = invocation or f"inv_{uuid.uuid4().hex}"
            content = {"ticket_id": ticket["id"], "updated_at": ticket["updated_at"]} | body
            raw = json.dumps(content).encode()
            secret = str(self.world.stack.ready["zendesk_webhook_secret"])
            headers = signed(raw, sender="zendesk", id=invocation, at=time.time(), secret=secret)
            url = f"{self.world.stack.ready['url']}/zendesk/ticket-updates"
            async with self.http.post(url, data=raw, headers=headers) as answer:
                assert answer.status in {200, 202}, await answer.text()
            return f"update#{ticket['id']}#{invocation}"

        urgent: dict[str, Any] = {"changes": {"priority": "urgent"}}
        one = ticket()
        await asyncio.sleep(1.1)
        applied = await tell(one, invocation="inv_1", **urgent)
        await self.reaches(applied, "applied")
        await tell(one, invocation="inv_1", **urgent)
        await tell(one, actor_id=account.relay.id, **urgent)
        follower = {"user_email": "no-agent@example.com"}
        await self.reaches(await tell(ticket(), changes={"priority": "low", "followers": [follower]}), "applied")

        for policy, outcome in {"skip": "skipped", "merge": "conflict"}.items():
            edited = dict(ticket())
            await asyncio.sleep(1.1)
            account.tickets.update(edited["id"], {"priority": "low"}, agent)
            await asyncio.sleep(1.1)
            await self.reaches(await tell(edited, on_conflict=policy, **urgent), outcome)

        other = ticket()
        await asyncio.sleep(1.1)
        path = f"{CREATE}/{other['id']}"
        conflict = '{"error": "UpdateConflict", "description": "Safe Update prevented the update"}'
        self.fault("status", path, "PUT", status=409, body=conflict, content_type="application/json")
        await self.reaches(await tell(other, **urgent), "applied")
        self.fault("status", path, "PUT", status=422, body=REFUSAL, content_type="application/json")
        await self.reaches(await tell(other, changes={"priority": "low"}), "failed")

        many = [ticket() for _ in range(MANY)]
        await self.put({"pk": "gate", "closed_until": round(time.time() + 3)})
        keys = [await tell(it, **urgent) for it in many]
        for key in keys:
            await self.reaches(key, "applied")

    async def what_zendesk_does_not_tell(self) -> None:
        """A webhook is dropped, and a sweep finds its ticket; of another the rule has had its way too often today."""
        self.world.plan("dropped", Drop(times=None))
        account = self.world.account
        agent = account.users.agent("dana@example.com")
        first, second = (account.tickets.create({"subject": "x", "comment": {"body": "x"}}, agent)[0] for _ in range(2))
        now = time.time()
        for number in range(1, MOST_A_DAY + 1):
            row = self._swept(second["id"], number, now)
            await self.put(_item(update_states.skipped(row, now)))
        for ticket in (first, second):
            account.tickets.update(ticket["id"], {"additional_tags": ["vip_customer"]}, agent)
        await self.reaches(self._swept(first["id"], 1, now).pk, "applied")

    @staticmethod
    def _swept(ticket_id: int, number: int, now: float) -> UpdateRow:
        name = f"sweep.{agents.RULE}.{datetime.fromtimestamp(now, UTC).date()}.{number}"
        return update_states.claimed(update_pk(ticket_id, name), ticket_id, name, b"{}", now, closed_until=now)


async def _provoke(log: io.StringIO) -> None:
    with contextlib.redirect_stderr(log):
        async with (
            cloud.moto() as dynamodb,
            broken_world(dynamodb, key_honoured=True, seed=1, concurrency=2) as world,
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(30)) as http,
        ):
            this = Provoked(world, http)
            await this.a_key_is_missing()
            await this.the_table_fails()
            await this.events()
            await this.events_about_one_thing()
            await this.requests_that_are_refused()
            await this.zendesk_says_something_on_the_side()
            await this.another_worker_is_faster()
            await this.updates()
            await this.what_zendesk_does_not_tell()
            await this.bugs_and_broken_rows()
            # The poller writes its metrics at the end of its run, which is long while many events come at once.
            await asyncio.to_thread(world.table.delete_item, Key={"pk": "gate"})
            reports = log.getvalue().count(POLLER_REPORT)

            async def polled_since() -> bool:
                written = log.getvalue()
                # Two pollers may run at a time, and the other one may have met what happens once.
                once = all(f'"Name":"{name}"' in written for name in ONCE)
                return once and written.count(POLLER_REPORT) >= reports + 2

            await this.eventually(polled_since, within=180)


@pytest.fixture(scope="module")
def lines() -> list[Line]:
    """What the functions wrote while everything happened."""
    log = io.StringIO()
    asyncio.run(_provoke(log))
    return watching.lines_of(log.getvalue().splitlines())


@pytest.fixture(scope="module")
def template() -> dict[str, Any]:
    built = asyncio.run(artefacts.build())
    return templates.translated(built, {"ZendeskBaseUrl": "https://example.zendesk.com"})


def test_every_metric_that_the_template_names_is_written(lines: list[Line], template: dict[str, Any]) -> None:
    written = {it.metric for it in watching.emitted(lines)} | IN_UNIT_TESTS
    named = {it.metric for it in watching.named(template) if it.metric.namespace == watching.NAMESPACE}
    assert named - written == set()


def test_every_metric_that_is_written_is_named_by_the_template(lines: list[Line], template: dict[str, Any]) -> None:
    named = {it.metric for it in watching.named(template)}
    assert {it.metric for it in watching.emitted(lines)} - named == set()


def test_every_value_of_a_dimension_that_an_alarm_names_is_written(lines: list[Line], template: dict[str, Any]) -> None:
    """`unknown_partner` and `missing_header` are what anybody on the internet causes; here nobody has."""
    written = {pair for it in watching.emitted(lines) for pair in it.values}
    named = {pair for it in watching.named(template) if it.metric.namespace == watching.NAMESPACE for pair in it.values}
    assert named - written == {("reason", "unknown_partner"), ("reason", "missing_header")}


def test_every_field_that_a_query_names_is_in_its_lines(lines: list[Line], template: dict[str, Any]) -> None:
    for name, query in watching.queries(template).items():
        if query.groups != {"ApiLogs"}:
            asked = [
                it
                for it in lines
                if "message" in it and (it["message"] in query.messages if query.messages else "pk" in it)
            ]
            missing = query.fields - {field for line in asked for field in line}
            assert missing == set(), name


def test_no_metric_has_a_dimension_of_many_values(lines: list[Line]) -> None:
    by_keys = {it.metric.keys: it.metric.name for it in watching.emitted(lines) if it.metric.keys}
    assert by_keys == {
        frozenset({"reason", "service"}): "RequestRefused",
        frozenset({"status", "service"}): "WebhookDropped",
    }
