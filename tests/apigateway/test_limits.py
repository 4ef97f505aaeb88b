import pytest

from labkit.apigateway.limits import AWS
from tests.fidelity.plugin import Values


@pytest.mark.behaviour(
    "websocket.handshake.url",
    "websocket.handshake.new-connections",
    "websocket.frames.frame",
    "websocket.frames.message",
    "websocket.close.idle",
    "websocket.close.duration",
    "websocket.messages.time-out",
)
def test_limits_are_the_documented_quotas(expected: Values) -> None:
    assert AWS.url == expected["websocket.handshake.url"].longest
    assert AWS.new_connections == expected["websocket.handshake.new-connections"].most
    assert AWS.frame == expected["websocket.frames.frame"].largest
    assert AWS.message == expected["websocket.frames.message"].largest
    assert AWS.idle == expected["websocket.close.idle"].seconds
    assert AWS.duration == expected["websocket.close.duration"].seconds
    assert AWS.integration == expected["websocket.messages.time-out"].seconds


@pytest.mark.behaviour("websocket.messages.at-once", "connections.refusals.unsent")
def test_limits_of_our_own(expected: Values) -> None:
    assert AWS.at_once == expected.most
    assert AWS.unsent == expected.largest
