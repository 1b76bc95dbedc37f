import json

import pytest

from layers.config.compile import Config
from local import artefacts

PARTNER = "partner: initech\nscheme: github\nsample: it.json\nticket: {subject: x, comment: {body: x}}\n"


@pytest.fixture
def config(tmp_path):
    (tmp_path / "partners").mkdir()
    (tmp_path / "partners" / "initech.yaml").write_text(PARTNER)
    return Config(tmp_path)


def test_definitions_from_anywhere_become_a_layer(config, tmp_path):
    layer = artefacts.definitions(config, tmp_path / "layer")
    package = layer / "python" / "ticket_relay_config"
    assert json.loads((package / "partners.json").read_text()).keys() == {"initech"}
    assert json.loads((package / "updates.json").read_text()) == {}


def test_what_is_wrong_with_them_is_said_with_file_and_line(config, tmp_path):
    (tmp_path / "partners" / "initech.yaml").write_text(PARTNER.replace("subject", "subjet"))
    with pytest.raises(RuntimeError, match=r"initech\.yaml:4: ticket\.subjet: unknown field"):
        artefacts.definitions(config, tmp_path / "layer")
