"""What the checks have found out about the set-up, for the checks after them."""

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from cli.doctor.finding import unchecked
from cli.doctor.line import Line
from cli.where import Where
from layers.config.compile import Config
from ticket_relay.config import Settings
from ticket_relay.secrets_manager import Secrets
from ticket_relay.zendesk.transport import Auth

CREATE, POLL, UPDATE, TABLE = "CreateTicketFunction", "PollJobsFunction", "UpdateTicketFunction", "Table"
"""Logical ids in template.yaml."""


@dataclass
class Setup:
    """An attribute is None or empty if the check that fills it failed."""

    where: Where
    config: Config = field(default_factory=Config)
    resources: dict[str, str] | None = None
    """Physical ids by logical ones."""
    settings: dict[str, Settings] = field(default_factory=dict)
    """By the function's logical id."""
    client: dict[str, Any] | None = None
    """The relay's credentials for Zendesk, well-formed."""
    gate_open: bool = True
    line: Line | None = None
    """Set if Zendesk answers."""
    auth: Auth | None = None
    _clients: dict[str, Any] = field(default_factory=dict, init=False, repr=False)

    def resource(self, logical_id: str) -> str | None:
        """Its physical id, None if the stack has none. Raises NotGood."""
        if self.resources is None:
            raise unchecked("Not checked: the stack must be found first.")
        return self.resources.get(logical_id)

    def settings_of(self, *functions: str) -> Settings:
        """Those of the first of the functions whose environment is good. Raises NotGood."""
        for function in functions:
            if function in self.settings:
                return self.settings[function]
        raise unchecked("Not checked: the functions' environment must say where it is.")

    def aws(self, service: str) -> Any:
        """A client, one for all checks: making it takes longer than most calls."""
        if service not in self._clients:
            self._clients[service] = self.where.client(service)
        return self._clients[service]

    @cached_property
    def secrets(self) -> Secrets:
        """Read as the functions read them, with longer time-outs."""
        return Secrets(self.aws("secretsmanager"))
