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
    ("value", "field"),
    [
        ({"S": {"a": 1}}, "S"),
        ({"S": None}, "S"),
        ({"N": 1}, "N"),
        ({"SS": ["a", 1]}, "SS"),
        ({"M": {"a": {"L": [{"S": 1}]}}}, "S"),
    ],
)
def test_what_is_no_text_where_a_text_must_be_is_named(value, field):
    assert problems(update(value), UPDATE) == [
        f"The value for the field '{field}' must be a STRING"
    ]
