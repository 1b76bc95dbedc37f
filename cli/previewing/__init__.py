"""What a definition would do, by the relay's own decisions. Calls nothing, and stores nothing of what it is given."""

from layers.config.compile import Config
from ticket_relay.errors import PayloadRefused


def sample(config: Config, name: str) -> bytes:
    """The file that a definition names. Raises PayloadRefused where there is none."""
    try:
        return config.sample(name).read_bytes()
    except OSError:
        raise PayloadRefused("no_sample", f"There is no sample {name}.") from None
