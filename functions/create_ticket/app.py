"""A partner delivers an event, answered 202 once it is durable; or asks what became of one."""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from ticket_relay import api_gateway, config, observability
from ticket_relay.create_ticket.webhook import receive
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
    if receipt.may_join:
        from ticket_relay.update_ticket import at_once  # noqa: PLC0415 - most events join no other's ticket

        receipt = at_once.join(services(), receipt, by)
    stored = receipt.challenge is None and receipt.state != "ignored"
    return api_gateway.answer(202 if stored else 200, receipt.told)


def tell(event: api_gateway.Event) -> api_gateway.Answer:
    from ticket_relay.create_ticket import status  # noqa: PLC0415 - no delivery waits for it

    path = event["pathParameters"]
    return api_gateway.answer(200, status.of(services(), path["partner"], path["id"], event["headers"]).told)


webhook = api_gateway.router({"POST /webhooks/{partner}": deliver, "GET /webhooks/{partner}/events/{id+}": tell})


@observability.lambda_handler
def handler(event: dict[str, Any], _: LambdaContext) -> dict[str, Any]:
    return webhook(event)


if config.in_lambda():  # at the end, so that Lambda's init phase pays for it and not the first partner
    services()
    partners()
    TicketCreate.model_rebuild()
    TicketRow.model_rebuild()
