import pytest
from botocore.awsrequest import AWSResponse
from botocore.config import Config

from ticket_relay import __version__, aws_clients


@pytest.mark.parametrize(("service", "call"), [("dynamodb", "list_tables"), ("secretsmanager", "list_secrets")])
def test_a_call_says_who_makes_it_and_keeps_the_callers_settings(lambda_environment, service, call):
    agents = []

    class Raw:
        def stream(self):
            yield b"{}"

    def answer(request, **_):
        agents.append(request.headers["User-Agent"])
        return AWSResponse(request.url, 200, {"Content-Type": "application/x-amz-json-1.0"}, Raw())

    client = aws_clients.client(service, Config(read_timeout=7, retries={"total_max_attempts": 1}))
    client.meta.events.register("before-send", answer)
    getattr(client, call)()
    (agent,) = agents
    # Powertools adds its own name to those of a process that it is loaded in.
    assert agent.decode().split()[0] == f"ticket-relay/{__version__}"
    assert client.meta.config.read_timeout == 7
