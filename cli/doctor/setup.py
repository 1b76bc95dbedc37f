"""What the checks learn of a set-up, each from those before it."""

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from cli.doctor.finding import unchecked
from cli.doctor.line import Line
from cli.where import Where
from ticket_relay.config import Settings
from ticket_relay.secrets_manager import Secrets
from ticket_relay.zendesk.transport import Auth

CREATE, POLL, UPDATE, TABLE = "CreateTicketFunction", "PollJobsFunction", "UpdateTicketFunction", "Table"
"""Logical ids in template.yaml."""


@dataclass
class Setup:
    """None and nothing: not learned, because a check before it went wrong."""

    where: Where
    resources: dict[str, str] | None = None
    """Physical ids by logical ones."""
    settings: dict[str, Settings] = field(default_factory=dict)
    """By the function's logical id."""
    client: dict[str, Any] | None = None
    """What proves the relay to Zendesk, well-formed."""
    gate_open: bool = True
    line: Line | None = None
    """To a Zendesk that answers."""
    auth: Auth | None = None
    _clients: dict[str, Any] = field(default_factory=dict, init=False, repr=False)

    def resource(self, logical_id: str) -> str | None:
        """Its physical id, None if the stack has none. Raises NotGood."""
        if self.resources is None:
            raise unchecked("Not looked at: the stack must be found first.")
        return self.resources.get(logical_id)

    def settings_of(self, *functions: str) -> Settings:
        """Those of the first of the functions whose environment is good. Raises NotGood."""
        for function in functions:
            if function in self.settings:
                return self.settings[function]
        raise unchecked("Not looked at: the functions' environment must say where it is.")

    def aws(self, service: str) -> Any:
        """A client, one for all checks: making it takes longer than most calls."""
        if service not in self._clients:
            self._clients[service] = self.where.client(service)
        return self._clients[service]

    @cached_property
    def secrets(self) -> Secrets:
        """As the functions read them, with an operator's patience."""
        return Secrets(self.aws("secretsmanager"))
