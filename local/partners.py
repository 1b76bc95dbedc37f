"""The partners that the stack has, each with a secret made up for this run, in the form that its scheme asks for."""

import base64
import secrets
from typing import Any

from layers.config.compile import Config, compiled
from layers.config.source import shown
from ticket_relay.definitions.models import PartnerDefinition
from ticket_relay.webhooks.scheme import Basic, Hmac, Scheme


def partners(config: Config) -> dict[str, dict[str, Any]]:
    """What a sender needs to know for each partner that is defined: `scheme`, `secret` and `sample`; and, under the
    scheme's own name, the settings that the definition gives it. The sample's path is absolute outside the repository.
    """
    files, _ = compiled(config)
    return {
        definition["partner"]: {
            "scheme": definition["scheme"],
            "secret": new_secret(PartnerDefinition.model_validate(definition).signature),
            "sample": shown(config.sample(definition["sample"]).resolve()),
        }
        | {name: definition[name] for name in ("hmac", "bearer", "basic") if name in definition}
        for definition in files["partners.json"].values()
    }


def new_secret(scheme: Scheme) -> str:
    """A secret of this scheme that nobody can guess."""
    match scheme.ways[0]:
        case Hmac(key="whsec"):
            return "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode()
        case Hmac(key="base64"):
            return base64.b64encode(secrets.token_bytes(32)).decode()
        case Hmac(key="hex"):
            return secrets.token_hex(32)
        case Basic():
            return f"relay:{secrets.token_urlsafe(32)}"
        case _:
            return secrets.token_urlsafe(32)
