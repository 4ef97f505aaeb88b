"""Close codes in words: each of RFC 6455 has its own, and API Gateway's own ends are told apart."""

import pytest
from websockets.frames import CLOSE_CODE_EXPLANATIONS

from labkit.apigateway.management_api import DELETED
from labkit.apigateway.websocket_api import GOING_AWAY
from labkit.views import close_codes

RFC_6455 = [1000, 1001, 1002, 1003, 1005, 1006, 1007, 1008, 1009, 1010, 1011, 1015]


def test_every_code_of_the_rfc_has_a_name_and_a_meaning_of_its_own() -> None:
    assert len({close_codes.name(code) for code in RFC_6455}) == len(RFC_6455)
    assert len({close_codes.meaning(code) for code in RFC_6455}) == len(RFC_6455)
    assert "Nothing says" not in " ".join(close_codes.meaning(code) for code in RFC_6455)


@pytest.mark.parametrize("code", sorted(CLOSE_CODE_EXPLANATIONS))
def test_no_code_that_the_library_knows_is_unknown_here(code: int) -> None:
    assert close_codes.name(code) != "Unknown"


def test_ends_that_api_gateway_makes_itself_say_so() -> None:
    assert "DELETE @connections" in close_codes.meaning(*DELETED)
    assert "10 minutes" in close_codes.meaning(*GOING_AWAY)
    assert "API Gateway ended" not in close_codes.meaning(1000) + close_codes.meaning(1001)


@pytest.mark.parametrize(
    ("code", "name", "says"),
    [
        (4001, "Private Use", "application"),
        (3000, "Registered", "registered"),
        (1004, "Unknown", "Nothing says"),
        (5000, "Unknown", "Nothing says"),
    ],
)
def test_other_codes_say_whose_they_are(code: int, name: str, says: str) -> None:
    assert close_codes.name(code) == name
    assert says in close_codes.meaning(code)
