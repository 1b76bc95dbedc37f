import pytest

from local.aws.pipe import Definition, PipeError

PATTERN = '{"eventName": ["INSERT"]}'


def definition(template, **parameters):
    return Definition.of(
        {
            "SourceParameters": {"FilterCriteria": {"Filters": [{"Pattern": PATTERN}]}},
            "TargetParameters": {
                "InputTemplate": template,
                "EventBridgeEventBusParameters": {"Source": "x", "DetailType": "y"} | parameters,
            },
        }
    )


def record(**image):
    return {"eventName": "INSERT", "dynamodb": {"NewImage": image}}


def test_a_text_brings_its_quotes_and_what_would_break_them_is_escaped():
    pipe = definition('{"id": <$.dynamodb.NewImage.pk.S>}')
    assert pipe.entry(record(pk={"S": 'a"b\\'}))["Detail"] == '{"id": "a\\"b\\\\"}'


def test_a_number_of_dynamodb_is_a_text():
    assert definition('{"n": <$.dynamodb.NewImage.n.N>}').entry(record(n={"N": "7"}))["Detail"] == '{"n": "7"}'


def test_a_parameter_of_the_target_may_be_a_path():
    pipe = definition("{}", DetailType="$.dynamodb.NewImage.kind.S", Time="$.dynamodb.NewImage.at.S")
    entry = pipe.entry(record(kind={"S": "k"}, at={"S": "2026-11-22T10:00:00.250Z"}))
    assert (entry["Source"], entry["DetailType"], entry["Time"].isoformat()) == (
        "x",
        "k",
        "2026-11-22T10:00:00.250000+00:00",
    )


def test_what_no_filter_takes_is_not_told():
    assert definition("{}").entry({"eventName": "REMOVE", "dynamodb": {}}) is None


@pytest.mark.parametrize("template", ['{"a": "<$.dynamodb.NewImage.a.S>"}', '{"a": <$.dynamodb.NewImage.b.S>}'])
def test_what_aws_does_not_document_is_an_error(template):
    with pytest.raises(PipeError):
        definition(template).entry(record(a={"S": "1"}))
