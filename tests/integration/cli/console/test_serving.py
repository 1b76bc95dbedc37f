"""What listens is on this machine's own address, and what it is about is found as for the other commands."""

import json
import socket
import threading
from urllib.parse import urlsplit

import click
import pytest
import requests

from cli.console import serving
from cli.where import Where
from layers.config.compile import Config
from tests import builders, fixtures


@pytest.fixture
def stack(dynamo):
    """A stack that names the table and its Zendesk, as the template does."""
    template = {
        "Parameters": {"ZendeskBaseUrl": {"Type": "String", "Default": "https://acme.zendesk.example/"}},
        "Resources": {"Nothing": {"Type": "AWS::SQS::Queue"}},
        "Outputs": {"TableName": {"Value": builders.TABLE}},
    }
    fixtures.client("cloudformation").create_stack(StackName="mine", TemplateBody=json.dumps(template))
    return Where(stack="mine")


def test_the_stack_is_found_with_its_zendesk(stack):
    parts = serving.connected(stack, Config(), days=7)
    assert (parts.place.table, parts.zendesk_url) == (builders.TABLE, "https://acme.zendesk.example")
    assert parts.name == "mine, eu-central-1"


def test_a_table_without_a_stack_has_no_links_to_tickets(dynamo):
    parts = serving.connected(Where(table=builders.TABLE), Config(), days=7)
    assert parts.zendesk_url is None


def test_it_listens_to_this_machine_only_and_answers_who_has_the_address(stack):
    with serving.listening(stack, Config(), port=0, days=7) as (address, server):
        serve = threading.Thread(target=server.serve_forever)
        serve.start()
        try:
            assert address.startswith("http://127.0.0.1:")
            assert requests.get(f"{address}events", timeout=10).status_code == 200
            assert requests.get(address.rstrip("/") + "x/events", timeout=10).status_code == 403
            with pytest.raises(OSError, match="refused"):
                socket.create_connection(("127.0.0.2", urlsplit(address).port), timeout=2)
        finally:
            server.shutdown()
            serve.join()


def test_a_port_that_is_taken_is_told(stack):
    with (
        socket.create_server(("127.0.0.1", 0)) as taken,
        pytest.raises(click.ClickException, match="--port"),
        serving.listening(stack, Config(), port=taken.getsockname()[1], days=7),
    ):
        pytest.fail("two cannot listen")
