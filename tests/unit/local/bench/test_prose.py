import json
import zlib

from local.bench.prose import Prose


def test_a_text_has_its_length_and_json_adds_none():
    text = Prose(seed=1).text(10_240)
    assert len(text) == 10_240
    assert len(json.dumps(text)) == 10_242


def test_the_same_seed_has_the_same_texts_and_each_is_another():
    one, same = Prose(seed=1), Prose(seed=1)
    texts = [one.text(500) for _ in range(3)]
    assert texts == [same.text(500) for _ in range(3)]
    assert len(set(texts)) == 3


def test_it_can_be_compressed_as_prose_can_and_no_better():
    """Random letters would stay as they are, and one sentence repeated would vanish."""
    prose = Prose(seed=2)
    shares = [len(zlib.compress(prose.text(10_240).encode())) / 10_240 for _ in range(5)]
    assert all(0.25 < share < 0.6 for share in shares)
