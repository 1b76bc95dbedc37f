"""Checks that the three secrets exist and have the shape that the functions expect. Prints nothing of their text."""

from typing import Any

from cli import definitions
from cli.doctor.finding import NotGood, wrong
from cli.doctor.setup import CREATE, POLL, UPDATE, Setup
from ticket_relay.errors import SecretsUnavailable, SignatureRefused
from ticket_relay.update_ticket.webhook import SENDER
from ticket_relay.webhooks import signatures
from ticket_relay.webhooks.presets import PRESETS
from ticket_relay.webhooks.scheme import Scheme

PUBLIC = "dGhpc19zZWNyZXRfaXNfZm9yX3Rlc3Rpbmdfb25seQ=="
"""Zendesk signs the tests of a webhook that is not yet created with this ("Verifying webhook authenticity")."""

_WAYS_IN = ({"client_id", "client_secret"}, {"email", "api_token"})


def client(setup: Setup) -> str:
    """The relay's credentials for Zendesk."""
    arn = setup.settings_of(POLL, CREATE, UPDATE).zendesk_secret_arn
    found = _read(setup, arn, '{"client_id": "…", "client_secret": "…"}')
    names = next((names for names in _WAYS_IN if names <= found.keys()), None)
    if names is None:
        raise _malformed(arn, "It has neither client_id and client_secret nor email and api_token.")
    if empty := sorted(name for name in names if not _is_filled(found[name])):
        raise _malformed(arn, f"{' and '.join(empty)}: not a text, empty, or with blanks around it.")
    setup.client = found
    return "It holds an OAuth client." if "client_id" in names else "It holds an API token."


def partners(setup: Setup) -> str:
    """The keys that partners sign with: at least one for each partner that is defined."""
    arn = setup.settings_of(CREATE).signing_secrets_arn or ""
    known = definitions.partners(setup.config)
    schemes = {name: (definition.scheme, definition.signature) for name, definition in known.items()}
    return _signing(setup, arn, schemes, '{"acme": ["whsec_…"]}')


def webhook(setup: Setup) -> str:
    """The key that Zendesk signs its webhook with."""
    arn = setup.settings_of(UPDATE).signing_secrets_arn or ""
    good = _signing(setup, arn, {SENDER: (SENDER, PRESETS[SENDER])}, '{"zendesk": ["…"]}')
    if PUBLIC in setup.secrets.signing(arn, SENDER):
        raise wrong(
            "Zendesk's test secret is among its keys, which is public: anybody could sign.",
            "Put the webhook's own signing secret in its place.",
        )
    return good


def _signing(setup: Setup, arn: str, schemes: dict[str, tuple[str, Scheme]], shape: str) -> str:
    """`schemes` by sender, each with its name."""
    found = _read(setup, arn, shape)
    flaws = {sender: flaw for sender, scheme in schemes.items() if (flaw := _flaw(found.get(sender), *scheme))}
    if flaws:
        raise _malformed(arn, f"{'; '.join(map(': '.join, flaws.items()))}.")
    return f"It holds what {', '.join(schemes)} may sign with."


def _flaw(keys: Any, name: str, scheme: Scheme) -> str | None:
    if keys is None:
        return "has no key"
    if not isinstance(keys, list) or not keys:
        return 'has no list of keys ["…"]'
    for number, key in enumerate(keys, 1):
        if not _is_filled(key) or not _signs(scheme, key):
            return f"key {number} of {len(keys)} is not one of {name}"
    return None


def _signs(scheme: Scheme, key: str) -> bool:
    try:
        signatures.sign(scheme, id="doctor", timestamp=0, body=b"", secret=key)
    except SignatureRefused:
        return False
    return True


def _is_filled(text: Any) -> bool:
    return isinstance(text, str) and bool(text) and text == text.strip()


def _read(setup: Setup, arn: str, shape: str) -> dict[str, Any]:
    try:
        found = setup.secrets.read(arn)
    except SecretsUnavailable as error:
        advice = f"It must be {shape}, and you must be allowed to read it (secretsmanager:GetSecretValue)."
        raise wrong(error.sentence, advice) from None
    if not found:
        raise wrong("It is empty.", f"Put {shape} into {_name(arn)} (README, Deploy).")
    return found


def _malformed(arn: str, finding: str) -> NotGood:
    return wrong(finding, f"Put the whole value of {_name(arn)} again (README, Deploy).")


def _name(arn: str) -> str:
    """Secrets Manager adds a hyphen and six characters to the name (user guide, "What's in a secret?")."""
    return arn.rpartition(":secret:")[2][:-7]
