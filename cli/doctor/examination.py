"""All checks, in the order of the set-up's steps."""

from collections.abc import Callable, Iterator
from functools import partial

import click

from cli.doctor import keys, names, parts, webhooks, zendesk
from cli.doctor.finding import Finding, NotGood, Status
from cli.doctor.setup import CREATE, POLL, UPDATE, Setup
from cli.failures import told
from cli.where import Where
from layers.config.compile import Config

type Check = Callable[[Setup], str]
"""Returns its finding if all is good; otherwise raises NotGood, or an error that `told` translates."""

CHECKS: dict[str, Check] = {
    "stack": parts.stack,
    "table": parts.table,
    "create_ticket": partial(parts.function, CREATE),
    "poll_jobs": partial(parts.function, POLL),
    "update_ticket": partial(parts.function, UPDATE),
    "schedule": parts.schedule,
    "secret zendesk": keys.client,
    "secret partners": keys.partners,
    "secret webhook": keys.webhook,
    "gate": parts.gate,
    "zendesk": zendesk.reached,
    "credentials": zendesk.credentials,
    "user": zendesk.user,
    "reading tickets": zendesk.tickets,
    "reading jobs": zendesk.jobs,
    "writing tickets": zendesk.writing,
    "export": webhooks.export,
    "webhooks": webhooks.dropped,
    "clock": zendesk.clock,
    "catalogue": names.catalogue,
}


def examine(where: Where, config: Config) -> Iterator[Finding]:
    """Yields each finding as soon as its check ends. A part that AWS does not let the operator see counts as wrong."""
    setup = Setup(where, config)
    for name, check in CHECKS.items():
        try:
            with told():
                finding = Finding(name, Status.GOOD, check(setup))
        except NotGood as flaw:
            finding = Finding(name, flaw.status, flaw.finding, flaw.advice)
        except click.ClickException as error:
            finding = Finding(name, Status.WRONG, error.message)
        yield finding
