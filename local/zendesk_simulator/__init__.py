"""A simulator of Zendesk's ticketing API, only as true as its sources: each behaviour names the page or the recording
it follows, or says that it is an assumption.

    with simulator() as sim:        sim.url, sim.client_id, sim.client_secret, sim.account
    async with running(account):    the same inside an event loop

wire, request, api*     calls and answers, routes, endpoints        account, settings   all state, all switches
tickets, properties, participants, audits, users, uploads, names    what is stored, and how it may change
oauth, limits, idempotency, pages, refusals                         the rules around a call
jobs, faults, chance, clock, journal                                time, background work, trouble, bookkeeping
triggers, deliveries                                                webhooks to others
control, server                                                     /_control/..., and HTTP
"""

from .account import Account
from .deliveries import Drop
from .faults import Fault
from .jobs import JobPlan
from .server import Server, application, running, simulator
from .triggers import Trigger

__all__ = ["Account", "Drop", "Fault", "JobPlan", "Server", "Trigger", "application", "running", "simulator"]
