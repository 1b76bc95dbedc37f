import pytest

from tests.unit.definitions.tree import Tree


@pytest.fixture
def tree(tmp_path, capsys):
    return Tree(tmp_path, capsys)
