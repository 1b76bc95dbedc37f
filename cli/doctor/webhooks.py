"""Checks of what does not come by webhook: whether a sweep may read what changed, and what Zendesk has dropped."""

import time
from collections import Counter
from urllib.parse import quote

from cli import definitions
from cli.doctor.finding import NotGood, Status, unchecked, wrong
from cli.doctor.setup import POLL, Setup
from cli.doctor.zendesk import asked
from ticket_relay.zendesk.client import DROPPED, INVOCATION_PAGE

TWO_MINUTES = 120
"""Seconds: an export begins at least one minute ago."""


def export(setup: Setup) -> str:
    """Incremental exports are for administrators."""
    if not setup.settings_of(POLL).sweep_minutes:
        raise unchecked("Not needed: the parameter SweepMinutes is 0.")
    if not any(rule.sweep for rule in definitions.rules(setup.config).values()):
        raise unchecked("Not needed: no rule is swept.")
    since = {"start_time": str(int(time.time()) - TWO_MINUTES), "per_page": "1"}
    asked(setup, "/api/v2/incremental/tickets/cursor", "read", since)
    return "What has changed may be read, for rules that are swept."


def dropped(setup: Setup) -> str:
    """Of the latest invocations of each webhook: Zendesk keeps those of a week."""
    webhook_ids = setup.settings_of(POLL).zendesk_webhook_ids.split()
    if not webhook_ids:
        raise unchecked("Cannot be checked: the parameter ZendeskWebhookIds names no webhook.")
    statuses: Counter[str] = Counter()
    for webhook_id in webhook_ids:
        path = f"/api/v2/webhooks/{quote(webhook_id, safe='')}/invocations"
        match asked(setup, path, "read", {"page[size]": str(INVOCATION_PAGE)}):
            case {"invocations": list(found)}:
                statuses += Counter(str(each.get("status")) for each in found if isinstance(each, dict))
            case _:
                raise wrong(f"GET {path} is answered without invocations.")
    lost = {status: number for status, number in sorted(statuses.items()) if status in DROPPED}
    if lost:
        listed = ", ".join(f"{number} {status}" for status, number in lost.items())
        raise NotGood(
            Status.WARNING,
            f"Of the latest {statuses.total()} webhooks Zendesk dropped {sum(lost.values())}: {listed}.",
            "Sweep the rules that must not miss any (docs/partners.md, Nothing missed).",
        )
    return f"Of the latest {statuses.total()} webhooks Zendesk dropped none."
