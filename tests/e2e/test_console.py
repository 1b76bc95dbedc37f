"""The console in a real browser, on the local stack: each view, by its own log of requests and by axe."""

import json
import re
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Page, expect

from layers.config.compile import FOLDER
from tests.e2e import console
from tests.e2e.conftest import LocalStack

UNMAPPED = {"incident": {"title": "Without a severity"}, "reporter": {"name": "Ada", "email": "ada@acme.example.com"}}
DEFINITION = FOLDER / "partners" / "acme.yaml"
FITTING = """\
partner: acme
scheme: standard-webhooks
sample: events/acme-incident-opened.json
ticket:
  subject: ${event.incident.title}
  comment: {body: Nobody said how severe it is.}
"""

pytestmark = pytest.mark.skipif(console.chromium() is None, reason="needs Chromium: apt-get install chromium")
needs_axe = pytest.mark.skipif(not console.AXE.exists(), reason="needs axe-core: make axe, which needs npm")


@pytest.fixture(scope="module")
def net_log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("browser") / "netlog.json"


@pytest.fixture(scope="module")
def chromium(net_log: Path) -> Iterator[Browser]:
    """For all tests here. What their pages asked for, by the browser's own log, was on this machine."""
    with console.browser(net_log) as browser:
        yield browser
    asked = asked_by_pages(json.loads(net_log.read_text()))
    assert any(url.endswith("/static/console.css") for url in asked)
    assert {urlsplit(url).hostname for url in asked} == {"127.0.0.1"}


def asked_by_pages(log: dict[str, Any]) -> list[str]:
    """The addresses of all requests in a NetLog that a page caused: what Chromium asks its maker has no initiator."""
    start = log["constants"]["logEventTypes"]["URL_REQUEST_START_JOB"]
    asked = [event["params"] for event in log["events"] if event["type"] == start and "url" in event.get("params", {})]
    return [request["url"] for request in asked if request["initiator"] != "not an origin"]


@pytest.fixture(scope="module")
def address(local_stack: LocalStack) -> Iterator[str]:
    with console.console_of(local_stack) as address:
        assert urlsplit(address).hostname == "127.0.0.1"
        yield address


@pytest.fixture
def page(chromium: Browser, address: str) -> Iterator[Page]:
    """A new one, in which nothing goes wrong."""
    context = chromium.new_context(viewport={"width": 1280, "height": 900}, base_url=address)
    context.set_default_timeout(15_000)
    page = context.new_page()
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("console", lambda said: errors.append(said.text) if said.type in {"error", "warning"} else None)
    yield page
    context.close()
    assert errors == []


@pytest.fixture
def unmapped(local_stack: LocalStack) -> str:
    """The id of an event that its definition does not fit."""
    event_id = f"console_{uuid.uuid4().hex[:12]}"
    console.deliver(local_stack, event_id, UNMAPPED)
    return event_id


@pytest.fixture
def open_event(page: Page) -> Callable[[str], None]:
    """As a person does: from the list."""

    def open_it(event_id: str) -> None:
        page.goto("events")
        page.get_by_label("Id or ticket").fill(event_id)
        page.get_by_role("button", name="Show").click()
        page.get_by_role("link", name=event_id).click()

    return open_it


def test_an_event_appears_without_a_reload_and_so_does_its_ticket(page: Page, local_stack: LocalStack) -> None:
    page.goto("events")
    expect(page.locator(".status")).to_contain_text("Live")
    page.evaluate("window.loadedOnce = true")
    event_id = f"console_{uuid.uuid4().hex[:12]}"
    console.deliver(local_stack, event_id)
    row = page.get_by_role("row", name=event_id)
    expect(row).to_be_visible()
    expect(row).to_contain_text("created")
    expect(row.get_by_role("link", name=re.compile("#[0-9]+ in Zendesk"))).to_have_attribute(
        "href", re.compile(f"^{local_stack.ready['zendesk_url']}/agent/tickets/[0-9]+$")
    )
    assert page.evaluate("window.loadedOnce") is True


def test_a_list_that_is_not_live_stays_as_it_is(page: Page, local_stack: LocalStack) -> None:
    page.goto("events")
    page.get_by_label("Live").uncheck()
    event_id = f"console_{uuid.uuid4().hex[:12]}"
    console.deliver(local_stack, event_id)
    page.wait_for_timeout(2500)
    expect(page.get_by_role("link", name=event_id)).to_have_count(0)
    page.get_by_label("Live").check()
    expect(page.get_by_role("link", name=event_id)).to_be_visible()


def test_an_unmapped_event_is_opened_tried_in_the_playground_and_redriven(
    page: Page, open_event: Callable[[str], None], unmapped: str
) -> None:
    open_event(unmapped)
    expect(page.get_by_role("heading", level=1)).to_have_text(unmapped)
    expect(page.locator("#life")).to_contain_text('ticket.subject: object has no property "severity"')

    page.get_by_role("link", name="Try it in the playground").click()
    expect(page.locator("#result")).to_contain_text("does not fit")
    expect(page.get_by_label("Event", exact=True)).to_have_value(re.compile("Without a severity"))
    before = DEFINITION.read_text()
    page.get_by_label("Definition").fill(FITTING)
    expect(page.locator("#result .subject")).to_have_text("Without a severity")
    assert DEFINITION.read_text() == before

    page.get_by_role("link", name=f"ticket#acme#{unmapped}").click()
    page.get_by_role("link", name="Redrive…").click()
    expect(page.locator("main")).to_contain_text("does not fit it")
    page.get_by_role("button", name="Redrive now").click()
    expect(page.locator(".notice")).to_contain_text("Redriven")
    # The deployed definition is as before: the poller comes to the same end, and the page shows it by itself.
    steps = page.locator(".timeline .chip")
    expect(steps).to_have_text(["unmapped", "accepted", "unmapped"])


def test_an_error_of_a_definition_shows_its_line_as_it_is_typed(page: Page) -> None:
    page.goto("playground?name=partners/acme")
    expect(page.locator("#result")).to_contain_text("fits")
    text = DEFINITION.read_text()
    number = next(number for number, line in enumerate(text.splitlines(), 1) if "event.incident.url" in line)
    around = next(number for number, line in enumerate(text.splitlines(), 1) if line.strip() == "body: |")
    editor = page.get_by_label("Definition")
    editor.fill(text.replace("event.incident.url", "event.incident.uri"))
    flaw = page.get_by_role("link", name=f"definition, line {around}")
    expect(flaw).to_be_visible()
    expect(page.locator(".flaws")).to_contain_text('object has no property "uri"')
    expect(page.locator("[data-gutter=definition] .bad")).to_have_text(str(around))
    assert number > around
    flaw.click()
    expect(editor).to_be_focused()
    selected = editor.evaluate("it => it.value.slice(it.selectionStart, it.selectionEnd)")
    assert selected.strip() == "body: |"
    editor.fill(text)
    expect(page.locator(".flaws")).to_have_count(0)


def test_health_shows_the_doctors_lines_as_they_come(page: Page) -> None:
    page.goto("health")
    expect(page.locator(".checks")).to_contain_text("Tickets may be written.")
    expect(page.locator(".checks li").last).to_contain_text("catalogue")
    expect(page.get_by_role("row", name="under a minute")).to_be_visible()


def test_the_keyboard_is_enough(page: Page, open_event: Callable[[str], None], unmapped: str) -> None:
    page.goto("events")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    page.keyboard.press("Enter")
    page.get_by_label("Id or ticket").focus()
    page.keyboard.type(unmapped)
    page.keyboard.press("Enter")
    link = page.get_by_role("link", name=unmapped)
    link.focus()
    # New rows come in above it, and the focus stays.
    page.wait_for_timeout(1500)
    expect(link).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text(unmapped)


@needs_axe
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious(
    chromium: Browser, address: str, local_stack: LocalStack, unmapped: str, scheme: Any
) -> None:
    with chromium.new_context(color_scheme=scheme, base_url=address) as context:
        page = context.new_page()
        found = {}
        for view in console.VIEWS:
            page.goto(console.path_of(view, f"ticket#acme#{unmapped}"))
            if view == "health":
                expect(page.locator(".checks li").last).to_contain_text("catalogue")
            page.evaluate(console.AXE.read_text())
            result = page.evaluate("axe.run()")
            assert len(result["passes"]) > 10
            serious = [it for it in result["violations"] if it["impact"] in {"serious", "critical"}]
            found[view] = [(it["id"], [node["html"] for node in it["nodes"]]) for it in serious]
        assert found == {view: [] for view in console.VIEWS}
