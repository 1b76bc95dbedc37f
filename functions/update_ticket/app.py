"""`POST /zendesk/ticket-updates`: a Zendesk trigger's signed webhook becomes one safe update of its ticket."""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from ticket_relay import api_gateway, config, observability
from ticket_relay.definitions.loader import rules
from ticket_relay.rate_limits.permit import Deadline
from ticket_relay.services import services
from ticket_relay.storage.rows import UpdateRow
from ticket_relay.update_ticket.webhook import receive
from ticket_relay.zendesk.ticket_models import TicketChanges

ANSWER_WITHIN = 3.0
"""Seconds. Zendesk waits for twelve, but counts slow answers against the webhook."""


def update(event: api_gateway.Event) -> api_gateway.Answer:
    by = Deadline.after(ANSWER_WITHIN)
    receipt = receive(services(), event["headers"], api_gateway.raw_body(event), by)
    body = {"state": receipt.state, "id": receipt.invocation_id, "ticket_id": receipt.ticket_id}
    return api_gateway.answer(200 if receipt.state == "ignored" else 202, body)


webhook = api_gateway.router({"POST /zendesk/ticket-updates": update})


@observability.lambda_handler
def handler(event: dict[str, Any], _: LambdaContext) -> dict[str, Any]:
    return webhook(event)


# At the end of the module, so that Lambda's init phase pays for it and not the first webhook.
if config.in_lambda():
    services()
    rules()
    TicketChanges.model_rebuild()
    UpdateRow.model_rebuild()
