"""`POST /zendesk/ticket-updates`: a Zendesk trigger's signed webhook becomes one safe update of its ticket."""

from typing import Any

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.utilities.typing import LambdaContext

from ticket_relay import api_gateway, config, observability
from ticket_relay.definitions.loader import rules
from ticket_relay.rate_limits.permit import Deadline
from ticket_relay.services import services
from ticket_relay.update_ticket.webhook import receive

ANSWER_WITHIN = 3.0
"""Seconds. Zendesk waits for twelve, but counts slow answers against the webhook."""

app = api_gateway.resolver()


@app.post("/zendesk/ticket-updates")
def webhook() -> Response[str]:
    event = app.current_event
    receipt = receive(services(), event.headers, api_gateway.raw_body(event.raw_event), Deadline.after(ANSWER_WITHIN))
    body = {"state": receipt.state, "id": receipt.invocation_id, "ticket_id": receipt.ticket_id}
    return api_gateway.answer(200 if receipt.state == "ignored" else 202, body)


@observability.lambda_handler
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    return app.resolve(event, context)


# At the end of the module, so that Lambda's init phase pays for it and not the first webhook.
if config.in_lambda():
    services()
    rules()
