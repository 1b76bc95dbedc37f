"""The view in which a definition is tried. Nothing of it is kept."""

import dataclasses

import pytest

from layers.config.compile import FOLDER
from tests import builders
from tests.integration.cli.console.conftest import HOST, ORIGIN, TOKEN

DEFINITION = (FOLDER / "partners" / "acme.yaml").read_text()
EVENT = (builders.ROOT / "events" / "acme-incident-opened.json").read_text()


def attempt(client, name="partners/acme", **texts):
    form = {"name": name, "definition": DEFINITION, "event": EVENT} | texts
    return client.post(f"/{TOKEN}/playground/result", data=form, headers=ORIGIN, base_url=f"http://{HOST}")


def test_it_begins_with_the_definition_and_its_sample(page):
    text = page("/playground")
    assert "partner: acme" in text
    assert "INC-20417" in text
    assert '<span class="chip green">fits</span>' in text


def test_a_rule_comes_with_its_ticket(page):
    text = page("/playground", name="updates/escalate-vip")
    assert 'id="ticket"' in text
    assert "/api/v2/tickets/35436" in text


def test_an_unmapped_event_comes_with_the_definition_of_its_partner(page, services, deliver):
    deliver(services, content={"incident": {"title": "x"}}, partner="globex")
    text = page("/playground", key="ticket#globex#evt_1")
    assert "partner: globex" in text
    assert "&#34;title&#34;: &#34;x&#34;" in text
    assert '<span class="chip red">does not fit</span>' in text


def test_an_event_that_is_not_kept_any_more_is_not_found(client, services, deliver):
    settings = services.settings.model_copy(update={"keep_events": False})
    deliver(dataclasses.replace(services, settings=settings))
    for key in ("ticket#acme#evt_1", "ticket#acme#nothing", "update#1#x"):
        answer = client.get(f"/{TOKEN}/playground", query_string={"key": key}, base_url=f"http://{HOST}")
        assert answer.status_code == 404


@pytest.mark.parametrize("name", ["partners/../../secret", "partners/", "examples/stripe", "x", "", "partners/a/b"])
def test_no_other_file_is_read(client, name):
    assert attempt(client, name=name).status_code == 404
    if name:
        answer = client.get(f"/{TOKEN}/playground", query_string={"name": name}, base_url=f"http://{HOST}")
        assert answer.status_code == 404


def test_a_change_shows_what_it_makes_and_leaves_the_file_alone(client):
    text = attempt(client, definition=DEFINITION.replace("type: incident", "type: problem")).text
    assert "&#34;type&#34;: &#34;problem&#34;" in text
    assert (FOLDER / "partners" / "acme.yaml").read_text() == DEFINITION


def test_a_mistake_shows_its_line(client):
    text = attempt(client, definition=DEFINITION.replace("event.incident.title", "event.incident.titel")).text
    line = (
        DEFINITION.splitlines().index('  subject: "[${uppercase(event.incident.severity)}] ${event.incident.title}"')
        + 1
    )
    assert f'data-flaw="definition:{line}"' in text
    assert "ticket.subject: object has no property &#34;titel&#34;" in text


def test_texts_are_escaped(client):
    text = attempt(client, definition=DEFINITION.replace("type: incident", "type: '<img src=x>'")).text
    assert "<img" not in text
