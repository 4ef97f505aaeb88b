"""The transport that every AWS call takes, against a server that answers as it is told."""

import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from labkit.runtime import redirect

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-Any: a: b\r\n\r\nok"


class Answers:
    """Takes one connection after another and gives each request the next answer."""

    def __init__(self, *connections: list[bytes]) -> None:
        self.requests: list[bytes] = []
        self._connections = connections
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.endpoint = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        for answers in self._connections:
            try:
                taken, _ = self._listener.accept()
            except OSError:
                return
            with taken:
                for answer in answers:
                    request = taken.recv(65_536)
                    if not request:
                        break
                    self.requests.append(request)
                    taken.sendall(answer)

    def close(self) -> None:
        self._listener.close()
        self._thread.join(5)


@pytest.fixture
def serve() -> Iterator[Any]:
    made: list[Answers] = []

    def make(*connections: list[bytes]) -> Answers:
        made.append(Answers(*connections))
        redirect.install(made[-1].endpoint)
        return made[-1]

    yield make
    redirect.uninstall()
    for one in made:
        one.close()


def ask(method: str = "POST", timeout: float = 5.0) -> tuple[int, dict[str, str], bytes]:
    url = "https://dynamodb.eu-west-1.amazonaws.com/a%20b?c=d"
    return redirect.exchange(method, url, {"X-Amz-Target": "T"}, b"body", timeout)


def test_the_host_that_was_meant_is_in_the_request(serve: Any) -> None:
    server = serve([OK])
    assert ask() == (200, {"content-length": "2", "x-any": "a: b"}, b"ok")
    assert server.requests == [
        b"POST /a%20b?c=d HTTP/1.1\r\nHost: dynamodb.eu-west-1.amazonaws.com\r\n"
        b"X-Amz-Target: T\r\nContent-Length: 4\r\n\r\nbody"
    ]


def test_a_connection_is_kept_for_the_next_call(serve: Any) -> None:
    serve([OK, OK, OK])
    assert [ask()[2] for _ in range(3)] == [b"ok"] * 3


def test_a_connection_that_was_closed_while_it_rested_is_replaced(serve: Any) -> None:
    server = serve([OK], [OK])
    assert ask()[2] == ask()[2] == b"ok"
    assert len(server.requests) == 2


def test_a_fresh_connection_that_closes_is_an_error(serve: Any) -> None:
    serve([b""])
    with pytest.raises(ConnectionResetError):
        ask()


def test_an_answer_that_breaks_off_is_an_error_and_not_a_short_answer(serve: Any) -> None:
    serve([OK[:-1]], [OK])
    with pytest.raises(ConnectionAbortedError, match="broke off"):
        ask()
    assert ask()[2] == b"ok"


def test_head_has_a_length_and_no_body(serve: Any) -> None:
    serve([OK.removesuffix(b"ok"), OK])
    assert ask("HEAD")[2] == b""
    assert ask()[2] == b"ok"


def test_a_call_that_takes_too_long_leaves_the_next_one_alone(serve: Any) -> None:
    serve([b"HTTP/1.1 200 OK\r\n", b"never"], [OK])
    with pytest.raises(TimeoutError):
        ask(timeout=0.05)
    assert ask()[2] == b"ok"


def test_line_breaks_in_a_header_are_refused(serve: Any) -> None:
    serve([OK])
    with pytest.raises(ValueError, match="line break"):
        redirect.exchange("GET", "https://a.amazonaws.com/", {"X": "a\r\nb"}, b"", 5)


@pytest.mark.parametrize(
    ("url", "elsewhere"),
    [
        ("http://127.0.0.1:1/", True),
        ("http://localhost:1/", True),
        ("http://[::1]:1/", True),
        ("https://dynamodb.us-east-1.amazonaws.com/", False),
        ("http://169.254.169.254/latest/meta-data", False),
        ("http://127.0.0.1.example.com/", False),
        ("http://10.0.0.1/", False),
    ],
)
def test_only_loopback_addresses_are_somebody_elses(url: str, elsewhere: bool) -> None:
    assert redirect.goes_elsewhere(url) is elsewhere


def test_addresses_of_earlier_clouds_lead_to_the_new_one(serve: Any) -> None:
    before = serve().endpoint
    serve([OK])
    assert not redirect.goes_elsewhere(f"{before}/any")
