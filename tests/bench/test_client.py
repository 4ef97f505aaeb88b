"""The client that measures, against the servers with nothing on top."""

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from labkit.bench.bare import Bare
from labkit.bench.bare_server import SERVERS
from labkit.bench.client import BadAnswer, Client, frame_in, frame_out, message, opening
from labkit.bench.crowd import converse, crowd
from labkit.bench.idle import _wait_for_size


@pytest.fixture(scope="module", params=sorted(SERVERS))
def served(request: pytest.FixtureRequest) -> Iterator[tuple[str, Path]]:
    with Bare(request.param).serve() as system:
        yield system.deploy_watched()


def test_a_message_comes_back(served: tuple[str, Path]) -> None:
    with Client(served[0]) as client:
        for number in range(3):
            client.echo(message(number))


def test_another_message_than_the_one_that_was_sent_is_noticed() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        client = Client.__new__(Client)
        client._socket = ours
        theirs.sendall(frame_out(message(2)))
        with pytest.raises(BadAnswer, match="came back instead"):
            client.echo(message(1))


def test_a_server_that_refuses_is_told(served: tuple[str, Path]) -> None:
    with pytest.raises(BadAnswer, match="The handshake was answered"):
        Client(served[0].replace("ws:", "http:").rstrip("/") + "/%zz" * 4_000)


def test_frames_are_those_of_the_standard() -> None:
    # RFC 6455, 5.7: a single-frame unmasked text message, and one of a client whose mask is zero.
    assert frame_out(b"Hello") == bytes.fromhex("810548656c6c6f")
    assert frame_in(b"Hello") == bytes.fromhex("81850000000048656c6c6f")


def test_messages_differ_and_are_as_long() -> None:
    texts = [message(number) for number in (0, 1, 99_999_999)]
    assert len(set(texts)) == 3
    assert len({len(text) for text in texts}) == 1


def test_where_a_connection_goes() -> None:
    address, request = opening("ws://127.0.0.1:8080/a/b?c=d")
    assert address == ("127.0.0.1", 8080)
    assert request.startswith(b"GET /a/b?c=d HTTP/1.1\r\nHost: 127.0.0.1:8080\r\n")


def test_each_handshake_has_a_key_of_its_own() -> None:
    assert len({opening("ws://127.0.0.1:1/")[1] for _ in range(20)}) == 20


def test_a_crowd_is_served_and_every_end_is_noted(served: tuple[str, Path]) -> None:
    url, left = served
    before = left.stat().st_size
    with crowd(url, 60, 20) as sockets:
        assert len(sockets) == 60
        assert converse(sockets, 5, 20) > 0
    _wait_for_size(left, before + 60)
