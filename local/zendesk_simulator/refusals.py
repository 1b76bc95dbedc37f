"""The bodies of Zendesk's refusals, as recorded or documented; each says which."""

from .wire import Json, Refusal


def not_found() -> Refusal:
    """A record that does not exist. Observed."""
    return Refusal(404, {"error": "RecordNotFound", "description": "Not found"})


def invalid_endpoint() -> Refusal:
    """A path or a method that the API does not have. Observed (cloudbees-oss/zendesk-java-client#111)."""
    return Refusal(404, {"error": "InvalidEndpoint", "description": "Not found"})


def unauthenticated() -> Refusal:
    """No credentials, or bad ones. Third-party recording."""
    return Refusal(401, {"error": "Couldn't authenticate you"})


def invalid_token() -> Refusal:
    """A bearer token that is expired or was never issued. Observed (fprimex/zdesk#58, facetoe/zenpy#463)."""
    message = "The access token provided is expired, revoked, malformed or invalid for other reasons."
    return Refusal(401, {"error": "invalid_token", "error_description": message})


def forbidden() -> Refusal:
    """Observed: here `error` is an object."""
    message = (
        "You do not have access to this page. Please contact the account owner of this help desk for further help."
    )
    return Refusal(403, {"error": {"title": "Forbidden", "message": message}})


def missing_scope(scope: str) -> Refusal:
    """A token whose scopes do not reach. Observed."""
    description = f"You are missing the following required scopes: {scope}"
    return Refusal(403, {"error": "Forbidden", "description": description})


def invalid_attribute(name: str, rule: str, action: str) -> Refusal:
    """A parameter of the wrong type. Observed for `id` ("must be an integer from api/v2/users/show")."""
    message = (
        f"You passed an invalid value for the {name} attribute. Invalid parameter: {name} {rule} from api/v2/{action}"
    )
    return Refusal(400, {"error": {"title": "Invalid attribute", "message": message}})


def too_many_values(name: str, most: int) -> Refusal:
    """Observed with an empty name for create_many; hence the two spaces there."""
    description = f"Parameter {name} cannot specify more than {most} values"
    return Refusal(400, {"error": "TooManyValues", "description": description, "max_count": most})


def invalid_record(field: str, description: str, error: str | None = "BlankValue", key: str = "base") -> Refusal:
    """422 with the recorded shape of `details`; which `error` a row carries is an assumption except for BlankValue."""
    row = {"description": description, "error": error, "field_key": field}
    return Refusal(422, {"error": "RecordInvalid", "description": "Record validation errors", "details": {key: [row]}})


def suspended_requester(name: str) -> Refusal:
    """A new ticket of a suspended user's. Observed (mozilla/sumo#2670, alphagov/notifications-utils#1021)."""
    row = {"description": f"Requester: {name} is suspended.", "error": "UserSuspended"}
    body = {"error": "RecordInvalid", "description": "Record validation errors", "details": {"requester": [row]}}
    return Refusal(422, body)


def required_fields(fields: list[Json]) -> Refusal:
    """A solved ticket without the fields that it needs. Observed for one field; the type's word for `tagger` only."""
    rows = [
        {
            "description": f"{field['title']}: needed",
            "error": None,
            "ticket_field_id": field["id"],
            "ticket_field_type": f"Field{field['type'].capitalize()}",
        }
        for field in fields
    ]
    return Refusal(
        422, {"error": "RecordInvalid", "description": "Record validation errors", "details": {"base": rows}}
    )


def closed() -> Refusal:
    """A closed ticket refuses updates. Observed; newer recordings carry `ClosedTicket`."""
    row = {"description": "Status: closed prevents ticket update", "error": "ClosedTicket"}
    details = {"status": [row]}
    return Refusal(422, {"error": "RecordInvalid", "description": "Record validation errors", "details": details})


def update_conflict() -> Refusal:
    """Creating and updating tickets, "Checking if the ticket was not updated"."""
    description = (
        "Safe Update prevented the update due to outdated ticket data. "
        "Please fetch the latest ticket data and try again."
    )
    return Refusal(409, {"error": "UpdateConflict", "description": description})


def too_many_requests(text: str, retry_after: int) -> Refusal:
    """429 with `Retry-After` and a text body (old official documentation; singer-io/tap-zendesk#153)."""
    return Refusal(429, text, {"Retry-After": str(retry_after)})


def too_recent_start_time() -> Refusal:
    """Third-party: several clients of the export look for this text; the reference says "at least one minute"."""
    description = "Too recent start_time. Use a start_time older than 1 minute"
    return Refusal(422, {"error": "InvalidValue", "description": description})


def reasons(refusal: Refusal) -> str:
    """The sentences of a refusal, as the `details` of a job's row carries them."""
    if isinstance(refusal.body, str):
        return refusal.body
    details = refusal.body.get("details")
    if isinstance(details, dict):
        return ", ".join(row["description"] for rows in details.values() for row in rows)
    return str(refusal.body.get("description") or refusal.body["error"]["message"])
