from labkit.states.sdk_metadata import added
from labkit.wire import Headers


def test_result_has_the_metadata_in_the_form_of_aws():
    # The form is that of a result of AWS's dynamodb:putItem that was published.
    headers = Headers({"Content-Length": "2", "x-amzn-requestid": "ABC"})
    assert added({}, 200, headers) == {
        "SdkHttpMetadata": {
            "AllHttpHeaders": {"Content-Length": ["2"], "x-amzn-requestid": ["ABC"]},
            "HttpHeaders": {"Content-Length": "2", "x-amzn-requestid": "ABC"},
            "HttpStatusCode": 200,
        },
        "SdkResponseMetadata": {"RequestId": "ABC"},
    }


def test_members_come_in_the_order_of_their_names():
    result = added({"StatusCode": 200, "Payload": {}}, 200, Headers())
    assert list(result) == ["Payload", "SdkHttpMetadata", "SdkResponseMetadata", "StatusCode"]
