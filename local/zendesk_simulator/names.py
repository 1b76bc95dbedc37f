"""What the account calls its custom fields, forms, groups, brands and statuses, and what a solved ticket must have.

The shapes are those of the Ticketing API reference's examples, without what no client of the relay's reads.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

from .refusals import required_fields
from .wire import Json


def ticket_field(id: int, title: str, type: str, *, options: tuple[str, ...] = (), **given: bool) -> Json:
    """An active custom field, unless `given` says otherwise. An option's name is not its tag."""
    flags = {"active": True, "required": False, "required_in_portal": False, "removable": True}
    made: Json = {"id": id, "title": title, "raw_title": title, "type": type, **flags, **given}
    if type in {"tagger", "multiselect"}:
        made["custom_field_options"] = [
            {"id": id + number, "name": tag.capitalize(), "value": tag} for number, tag in enumerate(options, 1)
        ]
    return made


def _fields() -> list[Json]:
    return [
        # System fields cannot be removed (Ticket Fields reference).
        ticket_field(360008591380, "Subject", "subject", required_in_portal=True, removable=False),
        ticket_field(360008591391, "Environment", "text"),
        ticket_field(360008591392, "Seen on", "date"),
        ticket_field(360008591393, "Order", "text"),
        ticket_field(360008591394, "Amount", "decimal"),
        ticket_field(360008591395, "Refund stage", "tagger", options=("refund_stage_approved", "refund_stage_finance")),
        ticket_field(360008591399, "Fax", "text", active=False),
    ]


@dataclass
class Names:
    """Each list may be changed by a test."""

    closed: bool = False
    """Whether the account has these fields alone. What it does not have is ignored, as recorded: a creation with an
    unknown id is answered 201, and the ticket's list is empty (blakmatrix/node-zendesk#265). Otherwise it has any.
    """
    ticket_fields: list[Json] = field(default_factory=_fields)
    ticket_forms: list[Json] = field(
        default_factory=lambda: [
            {"id": 360000031, "name": "Default", "active": True, "ticket_field_ids": [360008591380, 360008591391]},
            {"id": 360000032, "name": "Old", "active": False, "ticket_field_ids": []},
        ]
    )
    groups: list[Json] = field(
        default_factory=lambda: [
            {"id": 360000041, "name": "Tier 1", "default": True, "deleted": False},
            {"id": 360000042, "name": "Tier 2", "default": False, "deleted": False},
        ]
    )
    brands: list[Json] = field(
        default_factory=lambda: [{"id": 360000051, "name": "Example", "active": True, "default": True}]
    )
    custom_statuses: list[Json] = field(
        default_factory=lambda: [
            {"id": 360000061, "agent_label": "Open", "status_category": "open", "active": True},
            {"id": 360000062, "agent_label": "Waiting on vendor", "status_category": "hold", "active": True},
        ]
    )

    def known(self, items: Iterable[Json]) -> list[Json]:
        """Of these custom fields, those that the account has. That an inactive one is ignored is an assumption."""
        active = {it["id"] for it in self.ticket_fields if it["active"]}
        return [item for item in items if not self.closed or int(item["id"]) in active]

    def require(self, ticket: Json) -> None:
        """Raises Refusal 422, as recorded (tap-zendesk's logs), for a solved ticket without a field that is required.

        "If true, agents must enter a value in the field to change the ticket status to solved" (Ticket Fields). Those
        of its form count, or all where it has none (assumption), and for a ticket that is born solved (assumption).
        """
        if ticket["status"] != "solved":
            return
        form = next((form for form in self.ticket_forms if form["id"] == ticket["ticket_form_id"]), None)
        values = {item["id"]: item["value"] for item in ticket["custom_fields"]}
        missing = [
            it
            for it in self.ticket_fields
            if it["active"] and it["required"] and it["removable"] and values.get(it["id"]) in (None, "", [])
            if form is None or it["id"] in form["ticket_field_ids"]
        ]
        if missing:
            raise required_fields(missing)
