"""The control API: the switches of the simulator over HTTP, in JSON, without authentication.

    GET    /_control/settings      the settings; POST changes those that are named (see settings.py)
    POST   /_control/clock         {"advance": seconds} makes time pass
    POST   /_control/reset         everything as in the beginning
    GET    /_control/faults        the planned faults; POST adds one (faults.Fault); DELETE removes all
    GET    /_control/jobs          the plans for jobs; POST adds one (jobs.JobPlan); DELETE removes all
    GET    /_control/triggers      the triggers; POST adds one (triggers.Trigger); DELETE removes all
    GET    /_control/drops         what is dropped of webhooks; POST adds one (deliveries.Drop); DELETE removes all
    DELETE /_control/tokens        every token issued so far is answered 401
    GET    /_control/journal       the calls received; ?method= &path= (with * and ?) &status=; DELETE forgets them
    GET    /_control/invocations   webhook invocations and their attempts
    GET    /_control/snapshot      {"now", "tickets", "audits": {ticket id: [...]}, "jobs", "users"}

Answers are 200 with JSON; 400 names what is wrong with a body, 404 means that there is no such path. Calls to the
control API are neither counted, disturbed nor noted in the journal.
"""

import dataclasses
import json
from collections.abc import Callable
from typing import Any

from pydantic import TypeAdapter, ValidationError

from .account import Account
from .deliveries import Drop
from .faults import Fault
from .jobs import JobPlan
from .triggers import Trigger
from .users import user_json
from .wire import Answer, Call, Json

PREFIX = "/_control/"

_DROP, _FAULT, _PLAN, _TRIGGER = (TypeAdapter(Drop), TypeAdapter(Fault), TypeAdapter(JobPlan), TypeAdapter(Trigger))


def answer(account: Account, call: Call) -> Answer:
    """The answer of a path under `PREFIX`."""
    handler = _HANDLERS.get((call.method, call.path.removeprefix(PREFIX)))
    if handler is None:
        return Answer.json(404, {"error": "not_found", "message": "No such control: see control.py of the simulator."})
    with account.lock:
        account.settle()
        try:
            return Answer.json(200, handler(account, call))
        except (ValidationError, ValueError, TypeError, KeyError) as error:
            return Answer.json(400, {"error": "invalid", "message": str(error)})


def _settings(account: Account, call: Call) -> Json:
    for name, value in _sent(call).items():
        if name not in {field.name for field in dataclasses.fields(account.settings)}:
            raise KeyError(name)
        setattr(account.settings, name, value)
    return dataclasses.asdict(account.settings)


def _clock(account: Account, call: Call) -> Json:
    account.clock.advance(float(_sent(call)["advance"]))
    account.settle()
    return {"now": account.clock.now()}


def _reset(account: Account, _: Call) -> Json:
    account.reset()
    return {"now": account.clock.now()}


def _revoke(account: Account, _: Call) -> Json:
    account.oauth.revoke_all()
    return {}


def _journal(account: Account, call: Call) -> Json:
    status = call.query.get("status")
    calls = account.journal.calls(
        call.query.get("method", "*"), call.query.get("path", "*"), int(status) if status else None
    )
    return {"count": len(calls), "calls": [dataclasses.asdict(entry) for entry in calls]}


def _forget(account: Account, _: Call) -> Json:
    account.journal.entries.clear()
    return {}


def _invocations(account: Account, _: Call) -> Json:
    rows = [
        {
            "id": invocation.id,
            "url": invocation.url,
            "ticket_id": invocation.ticket_id,
            "body": invocation.body.decode(),
            "state": invocation.state,
            "attempts": [dataclasses.asdict(attempt) for attempt in invocation.attempts],
        }
        for invocation in account.deliveries.invocations
    ]
    return {"invocations": rows}


def _snapshot(account: Account, _: Call) -> Json:
    tickets = account.tickets.all()
    return {
        "now": account.clock.now(),
        "tickets": tickets,
        "audits": {ticket["id"]: account.tickets.audits(ticket["id"]) for ticket in tickets},
        "jobs": [job.json() for job in account.jobs],
        "users": [user_json(user, account.users) for user in account.users],
    }


def _sent(call: Call) -> Json:
    sent = json.loads(call.body or b"{}")
    if not isinstance(sent, dict):
        raise TypeError("The body must be a JSON object.")
    return sent


type _Handler = Callable[[Account, Call], Json]


def _planned(
    path: str, kind: TypeAdapter[Any], plans: Callable[[Account], list[Any]]
) -> dict[tuple[str, str], _Handler]:
    """List, add and clear one kind of plan."""

    def shown(account: Account, _: Call) -> Json:
        return {path: [dataclasses.asdict(plan) for plan in plans(account)]}

    def add(account: Account, call: Call) -> Json:
        plans(account).append(kind.validate_python(_sent(call)))
        return shown(account, call)

    def clear(account: Account, call: Call) -> Json:
        plans(account).clear()
        return shown(account, call)

    return {("GET", path): shown, ("POST", path): add, ("DELETE", path): clear}


_HANDLERS: dict[tuple[str, str], _Handler] = {
    ("GET", "settings"): _settings,
    ("POST", "settings"): _settings,
    ("POST", "clock"): _clock,
    ("POST", "reset"): _reset,
    ("DELETE", "tokens"): _revoke,
    ("GET", "journal"): _journal,
    ("DELETE", "journal"): _forget,
    ("GET", "invocations"): _invocations,
    ("GET", "snapshot"): _snapshot,
    **_planned("faults", _FAULT, lambda account: account.faults.planned),
    **_planned("jobs", _PLAN, lambda account: account.jobs.plans),
    **_planned("drops", _DROP, lambda account: account.deliveries.drops),
    **_planned("triggers", _TRIGGER, lambda account: account.triggers.rules),
}
