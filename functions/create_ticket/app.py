"""`POST /webhooks/{partner}`: a partner's signed event becomes a ticket request, answered 202 once it is durable."""

from dataclasses import replace
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


@api_gateway.route("POST /webhooks/{partner}")
def webhook(event: api_gateway.Event) -> api_gateway.Answer:
    by = Deadline.after(ANSWER_WITHIN)
    partner = event["pathParameters"]["partner"]
    receipt = receive(services(), partner, event["headers"], api_gateway.raw_body(event), by)
    if receipt.challenge is not None:
        return api_gateway.answer(200, {"challenge": receipt.challenge})
    receipt = _joined(receipt, by)
    return api_gateway.answer(200 if receipt.state == "ignored" else 202, _told(receipt))


def _joined(receipt: Receipt, by: Deadline) -> Receipt:
    """After an event that is first in line for its ticket has joined it, if there is time."""
    if receipt.events:
        return replace(receipt, events=tuple(_joined(event, by) for event in receipt.events))
    if receipt.first_in_line is None:
        return receipt
    from ticket_relay.update_ticket import at_once  # noqa: PLC0415 - most events join no other's ticket

    return at_once.join(services(), receipt.first_in_line, by)


def _told(receipt: Receipt) -> dict[str, Any]:
    told: dict[str, Any] = {"state": receipt.state, "id": receipt.event_id}
    if receipt.ticket_id is not None:
        told["ticket_id"] = receipt.ticket_id
    if receipt.events:
        told["events"] = [_told(event) for event in receipt.events]
    return told


@observability.lambda_handler
def handler(event: dict[str, Any], _: LambdaContext) -> dict[str, Any]:
    return webhook(event)


# At the end of the module, so that Lambda's init phase pays for it and not the first partner.
if config.in_lambda():
    services()
    partners()
    TicketCreate.model_rebuild()
    TicketRow.model_rebuild()
