import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ticket_relay.zendesk.request_body import encoded

# Any character at all, half of a surrogate pair excepted: what JSON in UTF-8 can say.
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=12,
)


def shuffled(value):
    """The same value with its keys in another order."""
    if isinstance(value, dict):
        return {key: shuffled(value[key]) for key in reversed(value)}
    return [shuffled(each) for each in value] if isinstance(value, list) else value


@given(values)
def test_what_is_sent_is_read_as_the_same_value(value):
    assert json.loads(encoded(value)) == value


@given(values)
def test_the_same_value_gives_the_same_bytes(value):
    assert encoded(shuffled(value)) == encoded(value)


@given(values)
def test_no_escape_costs_more_than_its_character(value):
    assert len(encoded(value)) <= len(json.dumps(value, separators=(",", ":")))


@given(st.text(st.characters(categories=["Cs", "Ll", "So"])))
def test_any_text_that_python_can_hold_is_sent_as_utf_8(text):
    whole = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    assert json.loads(encoded([text]).decode()) == [whole]


@pytest.mark.parametrize(("text", "sent"), [("\ud83d", "\ufffd"), ("\ude00!", "\ufffd!"), ("\ud83d\ude00", "😀")])
def test_half_a_surrogate_pair_is_replaced_and_a_whole_one_is_a_character(text, sent):
    assert encoded({text: 1}) == f'{{"{sent}":1}}'.encode()


@pytest.mark.parametrize("number", [float("inf"), float("-inf"), float("nan")])
def test_what_no_json_can_say_is_not_sent(number):
    with pytest.raises(ValueError, match="JSON compliant"):
        encoded([number])
