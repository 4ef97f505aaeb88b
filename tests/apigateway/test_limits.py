from labkit.apigateway.limits import AWS


def test_limits_are_the_documented_quotas() -> None:
    # "Quotas for configuring and running a WebSocket API in API Gateway"
    assert AWS.frame == 32 * 1024
    assert AWS.message == 128 * 1024
    assert AWS.url == 4096
    assert AWS.idle == 10 * 60
    assert AWS.duration == 2 * 60 * 60
    assert AWS.integration == 29
