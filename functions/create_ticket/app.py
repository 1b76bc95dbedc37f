"""A partner's requests.

`POST /webhooks/{partner}`: a signed event becomes a ticket request, answered 202 once it is durable.
`GET /webhooks/{partner}/events/{id}`: what became of an event. In template.yaml the id is `{id+}`, since it may hold
slashes, and an HTTP API decodes a path before it is routed.
"""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from ticket_relay import api_gateway, config, observability
from ticket_relay.create_ticket.webhook import Receipt, receive
from ticket_relay.definitions.loader import partners
from ticket_relay.rate_limits.permit import Deadline
from ticket_relay.services import services
from ticket_relay.storage.rows import TicketRow
from ticket_relay.zendesk.ticket_models import TicketCreate

ANSWER_WITHIN = 3.0
"""Seconds for Zendesk's share, so that the partner is answered within five."""


def deliver(event: api_gateway.Event) -> api_gateway.Answer:
    by = Deadline.after(ANSWER_WITHIN)
    partner = event["pathParameters"]["partner"]
    receipt = receive(services(), partner, event["headers"], api_gateway.raw_body(event), by)
    if receipt.challenge is not None:
        return api_gateway.answer(200, {"challenge": receipt.challenge})
    return api_gateway.answer(200 if receipt.state == "ignored" else 202, _told(receipt))


def tell(event: api_gateway.Event) -> api_gateway.Answer:
    from ticket_relay.create_ticket import status  # noqa: PLC0415 - no delivery waits for it

    path = event["pathParameters"]
    found = status.of(services(), path["partner"], path["id"], event["headers"])
    body = _told(found.receipt)
    if found.reason is not None:
        body |= {"reason": found.reason, "message": status.REASONS[found.reason]}
    return api_gateway.answer(200, body)


def _told(receipt: Receipt) -> dict[str, Any]:
    told: dict[str, Any] = {"state": receipt.state, "id": receipt.event_id}
    if receipt.ticket_id is not None:
        told["ticket_id"] = receipt.ticket_id
    return told


webhook = api_gateway.router({"POST /webhooks/{partner}": deliver, "GET /webhooks/{partner}/events/{id+}": tell})


@observability.lambda_handler
def handler(event: dict[str, Any], _: LambdaContext) -> dict[str, Any]:
    return webhook(event)


# At the end of the module, so that Lambda's init phase pays for it and not the first partner.
if config.in_lambda():
    services()
    partners()
    TicketCreate.model_rebuild()
    TicketRow.model_rebuild()
