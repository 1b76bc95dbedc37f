"""The deployed definitions, as the build turned them into JSON: nobody parses YAML at run time.

`ticket_relay_config` is the package that the build writes: `partners.json` and `updates.json`, each a map from names.
"""

import functools
from importlib import resources

from pydantic import TypeAdapter, ValidationError

from ticket_relay.definitions.models import PartnerDefinition, UpdateRule
from ticket_relay.errors import DefinitionError, UnknownPartner

PACKAGE = "ticket_relay_config"


@functools.cache
def partners() -> dict[str, PartnerDefinition]:
    """All partners by name. Raises DefinitionError if the deployed definitions are missing or broken."""
    return _load(TypeAdapter(dict[str, PartnerDefinition]), "partners.json")


def partner(name: str) -> PartnerDefinition:
    """Raises UnknownPartner."""
    try:
        return partners()[name]
    except KeyError:
        raise UnknownPartner from None


@functools.cache
def rules() -> dict[str, UpdateRule]:
    """All update rules by name. Raises DefinitionError if the deployed definitions are missing or broken."""
    return _load(TypeAdapter(dict[str, UpdateRule]), "updates.json")


def _load[Definitions](adapter: TypeAdapter[Definitions], file: str) -> Definitions:
    try:
        return adapter.validate_json(resources.files(PACKAGE).joinpath(file).read_bytes())
    except (ModuleNotFoundError, FileNotFoundError):
        raise DefinitionError(f"{PACKAGE}/{file} is not there: is the config layer built and attached?") from None
    except ValidationError as error:
        raise DefinitionError(f"{PACKAGE}/{file} does not fit this code: build the config layer again.") from error
