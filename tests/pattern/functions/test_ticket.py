from __future__ import annotations

import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labkit.pattern.functions.ticket import Expired, Forged, Ticket

SECRET = b"a secret"
TICKET = Ticket("order-1", 1_000, "nonce")
TEXT = TICKET.sign(SECRET)


def test_ticket_that_was_signed_is_read_back_until_it_expires() -> None:
    assert Ticket.verify(TEXT, SECRET, 999.9) == TICKET
    with pytest.raises(Expired, match="Send the order again for a new one"):
        Ticket.verify(TEXT, SECRET, 1_000)


def test_ticket_can_stand_in_a_url_as_it_is() -> None:
    text = Ticket("order-ü?&=/", 1_000, "~" * 40).sign(SECRET)
    assert set(text) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.")


def test_ticket_of_another_secret_is_forged() -> None:
    with pytest.raises(Forged):
        Ticket.verify(TEXT, b"another secret", 0)


@given(st.integers(0, len(TEXT) - 1), st.characters(codec="utf-8"))
def test_ticket_with_any_character_changed_is_forged(at: int, character: str) -> None:
    changed = TEXT[:at] + character + TEXT[at + 1 :]
    if changed != TEXT:
        with pytest.raises(Forged):
            Ticket.verify(changed, SECRET, 0)


@given(st.text())
def test_any_other_text_is_forged(text: str) -> None:
    with pytest.raises(Forged):
        Ticket.verify(text, SECRET, 0)


def test_payload_without_its_own_signature_is_forged_and_never_read() -> None:
    payload = base64.urlsafe_b64encode(json.dumps(["order-2", 9e9, "n"]).encode()).decode()
    _, _, signature = TEXT.partition(".")
    for text in (payload, f"{payload}.", f"{payload}.{signature}", f"x.{signature}"):
        with pytest.raises(Forged):
            Ticket.verify(text, SECRET, 0)
