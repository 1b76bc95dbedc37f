"""Nobody but a browser on this machine that was given the address, and no page from elsewhere."""

import re

import pytest

from cli.console.guard import HEADERS
from tests.integration.cli.console.conftest import HOST, ORIGIN, TOKEN

REDRIVE = f"/{TOKEN}/event/redrive"
ANY_ROW = {"key": "ticket#acme#evt_1", "state": "failed"}


def ask(client, path, host=HOST, method="GET", **more):
    return client.open(path, method=method, base_url=f"http://{host}", **more)


@pytest.mark.parametrize("path", ["/", "/events", "/wrong/events", f"/{TOKEN}x/events", "/static/console.js", "/é/x"])
def test_without_the_token_everything_is_refused_and_nothing_told(client, path):
    answer = ask(client, path)
    assert (answer.status_code, answer.mimetype) == (403, "text/plain")
    assert TOKEN not in answer.text


@pytest.mark.parametrize("host", ["evil.example", "evil.example:8321", "127.0.0.1", "127.0.0.1:8322", "localhost:8321"])
def test_another_name_for_this_machine_is_refused(client, host):
    answer = ask(client, f"/{TOKEN}/events", host)
    assert answer.status_code == 403
    assert TOKEN not in answer.text


@pytest.mark.parametrize("origin", ["https://evil.example", "http://127.0.0.1:8322", f"https://{HOST}", "null"])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_page_from_elsewhere_is_refused(client, origin, method):
    answer = ask(client, REDRIVE, method=method, headers={"Origin": origin}, data=ANY_ROW)
    assert answer.status_code == 403


def test_a_change_from_nobody_knows_where_is_refused(client):
    assert ask(client, REDRIVE, method="POST", data=ANY_ROW).status_code == 403


@pytest.mark.parametrize("path", ["/event/redrive", "/playground/result", "/health/checks", "/health/table"])
def test_only_a_page_of_the_console_may_ask_for_more_than_to_see(client, path):
    assert ask(client, f"/{TOKEN}{path}", method="POST").status_code == 403


def test_a_redrive_by_a_link_is_only_a_preview(client, deliver, services, stored):
    deliver(services, content={})
    answer = ask(client, REDRIVE, query_string={"key": "ticket#acme#evt_1", "state": "unmapped"})
    assert answer.status_code == 200
    assert stored().state == "unmapped"


@pytest.mark.parametrize(
    "path", [f"/{TOKEN}/events", f"/{TOKEN}/static/console.js", f"/{TOKEN}/nothing", "/no/token", f"/{TOKEN}/"]
)
def test_every_answer_has_the_headers(client, path):
    headers = ask(client, path).headers
    assert {name: headers.get(name) for name in HEADERS} == HEADERS
    assert "unsafe" not in headers["Content-Security-Policy"]
    assert "Access-Control-Allow-Origin" not in headers


@pytest.mark.parametrize("path", ["/events", "/playground", "/health", "/event/redrive"])
def test_nothing_in_a_page_is_inline_or_from_elsewhere(page, deliver, services, path):
    deliver(services, content={})
    text = page(path, key="ticket#acme#evt_1") if path == "/event/redrive" else page(path)
    assert re.findall(r"<style|\sstyle=|\son\w+=|<script(?![^>]*\ssrc=)", text) == []
    assert {
        url for url in re.findall(r'(?:src|action|href)="(?!#)([^"]*)"', text) if not url.startswith(f"/{TOKEN}/")
    } == (set())


def test_a_form_that_is_too_large_is_refused(client):
    data = {"definition": "x" * (5 * 2**20)}
    answer = ask(client, f"/{TOKEN}/playground/result", method="POST", headers=ORIGIN, data=data)
    assert answer.status_code == 413
