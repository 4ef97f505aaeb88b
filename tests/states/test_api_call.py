import json

import pytest

from labkit.address import is_signed
from labkit.states.api_call import ApiCallError, request_of, result_of

HOST = "a1b2c3.execute-api.us-east-1.amazonaws.com"


@pytest.mark.behaviour("states.api.notify")
def test_notification_is_a_post_to_the_connection_of_the_stage():
    request = request_of(
        {
            "ApiEndpoint": HOST,
            "Stage": "prod",
            "Path": "/@connections/R1kmxc2VNjMCFIA=",
            "Method": "POST",
            "RequestBody": {"price": 3},
            "AuthType": "IAM_ROLE",
        }
    )
    assert request.host == HOST
    assert request.path == "/prod/@connections/R1kmxc2VNjMCFIA="
    assert request.method == "POST"
    assert json.loads(request.body) == {"price": 3}
    assert request.headers["content-type"] == "application/json"


@pytest.mark.behaviour("states.api.signature")
@pytest.mark.parametrize(
    ("auth_type", "signed"),
    [
        ({}, False),
        ({"AuthType": "NO_AUTH"}, False),
        ({"AuthType": "IAM_ROLE"}, True),
        ({"AuthType": "RESOURCE_POLICY"}, True),
    ],
)
def test_call_is_signed_only_if_its_auth_type_says_so(auth_type, signed):
    request = request_of({"ApiEndpoint": HOST, "Method": "GET", **auth_type})
    assert is_signed(request.headers, request.query) is signed


def test_encoded_path_is_not_encoded_twice_and_a_blank_is():
    path = request_of({"ApiEndpoint": HOST, "Method": "GET", "Path": "a%3D/b c"}).path
    assert path == "/a%3D/b%20c"


def test_lists_of_query_parameters_and_headers_are_sent_whole():
    request = request_of(
        {
            "ApiEndpoint": HOST,
            "Method": "GET",
            "QueryParameters": {"q": ["1", "2"], "empty": []},
            "Headers": {"X-Kind": ["a", "b"]},
        }
    )
    assert request.query == "q=1&q=2&empty="
    assert request.headers["X-Kind"] == "a,b"


def test_null_values_are_left_out_unless_they_are_allowed():
    parameters = {"ApiEndpoint": HOST, "Method": "PUT", "RequestBody": {"a": None, "b": 1}}
    assert json.loads(request_of(parameters).body) == {"b": 1}
    allowed = request_of({**parameters, "AllowNullValues": True})
    assert json.loads(allowed.body) == {"a": None, "b": 1}


@pytest.mark.parametrize(
    ("changes", "names"),
    [
        ({"ApiEndpoint": f"https://{HOST}"}, "ApiEndpoint"),
        ({"Method": "post"}, "Method"),
        ({"Headers": {"X-Amz-Date": ["x"]}}, "X-Amz-Date"),
        ({"Headers": {"Host": ["x"]}}, "Host"),
        ({"Method": "GET", "RequestBody": {}}, "RequestBody"),
        ({"Body": {}}, "Body"),
        ({"AuthType": "IAM"}, "AuthType.*'IAM'"),
    ],
)
def test_wrong_parameter_is_named(changes, names):
    with pytest.raises(ApiCallError, match=names):
        request_of({"ApiEndpoint": HOST, "Method": "POST", **changes})


@pytest.mark.behaviour("states.api.success")
@pytest.mark.parametrize("status", [200, 201, 204])
def test_any_2xx_is_a_success(status):
    result = result_of(status, [("X", "1"), ("X", "2")], b'{"a":1}')
    assert result["StatusCode"] == status
    assert result["Headers"] == {"X": ["1", "2"]}
    assert result["ResponseBody"] == {"a": 1}


def test_body_that_is_no_json_is_a_string():
    assert result_of(200, [], b"plain")["ResponseBody"] == "plain"
    assert result_of(200, [], b"")["StatusText"] == "OK"


@pytest.mark.behaviour("states.api.error")
def test_other_status_is_the_error_with_the_body_as_its_cause(expected):
    with pytest.raises(ApiCallError) as raised:
        result_of(410, [], b'{"message":"Gone"}')
    assert raised.value.error == expected.error
    assert raised.value.cause == '{"message":"Gone"}'
