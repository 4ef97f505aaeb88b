import botocore.session
import pytest

from labkit.states.parameters import problems

UPDATE = (
    botocore.session.Session()
    .get_service_model("dynamodb")
    .operation_model("UpdateItem")
    .input_shape
)


def update(value):
    return {"TableName": "t", "Key": {"id": {"S": "1"}}, "ExpressionAttributeValues": {":v": value}}


@pytest.mark.parametrize(
    "value",
    [
        {"S": "text"},
        {"N": "1"},
        {"BOOL": True},
        {"NULL": True},
        {"SS": ["a"]},
        {"M": {"a": {"L": [{"S": "b"}]}}},
        {"B": b"bytes"},
    ],
)
def test_values_of_dynamodb_are_taken(value):
    assert problems(update(value), UPDATE) == []


@pytest.mark.parametrize(
    ("value", "field", "type_"),
    [
        ({"S": {"a": 1}}, "S", "a STRING"),
        ({"S": None}, "S", "a STRING"),
        ({"N": 1}, "N", "a STRING"),
        ({"SS": ["a", 1]}, "SS", "a STRING"),
        ({"M": {"a": {"L": [{"S": 1}]}}}, "S", "a STRING"),
        ("text", ":v", "an OBJECT"),
        ({"M": "text"}, "M", "an OBJECT"),
        ({"M": {"a": ["b"]}}, "a", "an OBJECT"),
        ({"SS": "a"}, "SS", "an ARRAY"),
        ({"L": ["a"]}, "L", "an OBJECT"),
    ],
)
def test_what_has_another_type_than_it_must_have_is_named(value, field, type_):
    assert problems(update(value), UPDATE) == [f"The value for the field '{field}' must be {type_}"]
