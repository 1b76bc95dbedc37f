"""The view of health: what waits, what has stopped, and the doctor's findings as they come."""

import re

from cli.console import health
from cli.console.board import Brief
from tests.integration.cli.console.conftest import HOST, ORIGIN, TOKEN
from tests.waiting import eventually
from ticket_relay.rate_limits import gate

NOW = 1_795_300_000.0


def waiting(*ages):
    return [Brief("ticket#acme#x", "accepted", 1, NOW - age, NOW) for age in ages]


def test_what_waits_is_counted_by_age_and_compared_with_the_longest_bar():
    bars = health.bars(waiting(0, 59, 60, 4000, 90000, 900000, -5), NOW)
    assert [(bar.count, round(bar.percent), bar.late) for bar in bars] == [
        (3, 100, False),
        (1, 33, False),
        (0, 0, False),
        (0, 0, True),
        (1, 33, True),
        (0, 0, True),
        (2, 67, True),
    ]


def test_the_page_counts_by_partner_and_state(page, services, deliver):
    deliver(services, "evt_1")
    deliver(services, "evt_2", content={})
    deliver(services, "evt_3", content={}, partner="globex")
    text = page("/health")
    assert re.search(r"<strong>1</strong> waiting", text)
    assert re.search(r"<strong>2</strong> unmapped", text)
    assert re.search(r"<strong>0</strong> failed", text)
    assert '1<span class="visually-hidden"> unmapped of globex</span>' in text
    assert re.search(r"under a minute</th>\s*<td>.*?</td>\s*<td class=\"number\">1</td>", text, re.DOTALL)


def test_a_closed_gate_is_told(page, table):
    table.put({"pk": gate.PK, "closed_until": 4_000_000_000}, only_if="attribute_not_exists(pk)")
    assert re.search(r"<strong>closed</strong> gate", page("/health"))


def test_the_first_look_starts_the_checks_and_shows_them_as_they_come(page, client, parts):
    page("/health")
    assert eventually(lambda: not parts.checkup.running, within=10)
    text = page("/health/now")
    assert 'It is empty &lt;b&gt;. <span class="advice">Put it.</span>' in text
    assert '<span class="visually-hidden">(wrong)</span>' in text
    before = parts.checkup.started_at
    page("/health")
    assert parts.checkup.started_at == before
    answer = client.post(f"/{TOKEN}/health/checks", headers=ORIGIN, base_url=f"http://{HOST}")
    assert answer.status_code == 303
    assert parts.checkup.started_at > before


def test_a_part_that_has_not_changed_is_not_sent_again(client, parts, monkeypatch):
    monkeypatch.setattr(health.time, "time", lambda: NOW)
    first = client.get(f"/{TOKEN}/health/now", base_url=f"http://{HOST}")
    seen = {"seen": first.headers["X-Version"]}
    assert client.get(f"/{TOKEN}/health/now", query_string=seen, base_url=f"http://{HOST}").status_code == 204


def test_the_table_is_read_again_on_demand(client, parts):
    answer = client.post(f"/{TOKEN}/health/table", headers=ORIGIN, base_url=f"http://{HOST}")
    assert answer.status_code == 303
    assert parts.watch._again.is_set()
