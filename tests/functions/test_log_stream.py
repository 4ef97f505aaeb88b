"""From a process's output to log events."""

from __future__ import annotations

import re
import threading
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from labkit.functions.log_stream import Lines, LogStream, LogWriter, stream_name, tail

STREAM = LogStream("123456789012", "us-east-1", "/aws/lambda/f", "s")


def test_stream_is_named_for_the_day_and_the_version() -> None:
    name = stream_name("$LATEST", 1764000000.0)
    assert re.fullmatch(r"2025/11/24/\[\$LATEST\][0-9a-f]{32}", name)


def test_line_without_an_end_is_kept_until_the_end() -> None:
    lines = Lines()
    assert lines.feed(b"one\ntw") == ["one"]
    assert lines.feed(b"o\nthree") == ["two"]
    assert lines.finish() == ["three"]
    assert lines.finish() == []


def test_carriage_return_is_a_line_break_within_an_event() -> None:
    assert Lines().feed(b"[ERROR] E\rTraceback\r  frame\nwindows\r\n") == [
        "[ERROR] E\nTraceback\n  frame",
        "windows",
    ]


def test_bytes_that_are_no_text_do_no_harm() -> None:
    assert Lines().feed(b"\xff!\n") == ["\N{REPLACEMENT CHARACTER}!"]


@given(st.text(st.characters(codec="utf-8", exclude_characters="\r\n")), st.integers(0, 50))
def test_character_may_be_cut_anywhere(text: str, cut: int) -> None:
    data = text.encode() + b"\n"
    lines = Lines()
    assert lines.feed(data[:cut]) + lines.feed(data[cut:]) == [text]


def test_tail_is_the_last_4_kb() -> None:
    assert tail(["a", "b"]) == b"a\nb\n"
    assert tail(["x" * 5000, "end"]) == b"x" * 4091 + b"\nend\n"


async def test_events_are_written_in_order_and_in_another_thread() -> None:
    written: list[Any] = []

    def write(*batch: Any) -> None:
        written.append((threading.get_ident(), batch))

    writer = LogWriter(write, pause=0)
    writer.add(STREAM, ["one", "two"])
    writer.add(STREAM, ["three"])
    await writer.flush()
    threads = {thread for thread, _ in written}
    assert threading.get_ident() not in threads
    assert {batch[:4] for _, batch in written} == {("123456789012", "us-east-1", STREAM.group, "s")}
    assert [message for _, batch in written for _, message in batch[4]] == [
        "one\n",
        "two\n",
        "three\n",
    ]


async def test_batch_that_cannot_be_written_is_told_of_and_the_next_is_written() -> None:
    problems: list[Exception] = []
    written: list[Any] = []

    def write(account: str, region: str, group: str, *rest: Any) -> None:
        if group == "broken":
            raise RuntimeError("no such group")
        written.append(rest)

    writer = LogWriter(write, pause=0)
    writer.problem = problems.append
    writer.add(LogStream("a", "r", "broken", "s"), ["lost"])
    writer.add(STREAM, ["kept"])
    await writer.flush()
    assert [str(problem) for problem in problems] == ["no such group"]
    assert len(written) == 1
