"""What differs from run to run is replaced, and nothing else."""

import re
import sys
import tempfile
from pathlib import Path

import pytest

from labkit.course.substitutions import SUBSTITUTIONS, places, substitute

EXAMPLES = {
    "ws://127.0.0.1:41234/x": "ws://127.0.0.1:PORT/x",
    "http://localhost:8080": "http://localhost:PORT",
    "/execute-api/a1b2c3d4e5/prod": "/execute-api/API/prod",
    "a1b2c3d4e5.execute-api.us-east-1.amazonaws.com": "API.execute-api.us-east-1.amazonaws.com",
    "{'connectionId': 'R1kmxc2VNjMCFIA='}": "{'connectionId': 'CONNECTION='}",
    "connection R1kmxc2VNjMCFIA= is open": "connection CONNECTION= is open",
    "id=&quot;R1kmxc2VNjMCFIA=&quot;": "id=&quot;CONNECTION=&quot;",
    "<td>R1kmxc2VNjMCFIA=</td>": "<td>CONNECTION=</td>",
    "0b6f5d0e-3c43-4f3c-9b1a-2f4f7b9c1d2e": "UUID",
    "Root=1-5759e988-bd862e3fe1be46a994272793;": "Root=TRACE;",
    "at 2026-11-24T05:30:00.123Z": "at TIME",
    "at 2026-11-24 05:30:00+00:00": "at TIME",
    "[datetime.datetime(2026, 11, 24, 5, 30, tzinfo=tzutc())]": "[datetime.datetime(TIME)]",
    "date: Tue, 24 Nov 2026 05:30:00 GMT": "date: TIME",
    "expires_at 1795498200": "expires_at SECONDS",
    "connectedAt: 1795498200123,": "connectedAt: MILLISECONDS,",
    "took 12.5 ms": "took N ms",
    "took 3 ms": "took N ms",
    "took 1.5 s": "took N s",
    "<Lab at 0x7f90409f7d00>": "<Lab at 0xADDRESS>",
    "/tmp/a/handlers/connect.py": "work/handlers/connect.py",
    "work/handlers/connect.py, Handler": "work/handlers/connect.py, Handler",
    "/tmp/ipykernel_123/4567.py:1: UserWarning": "CELL:1: UserWarning",
}
LEFT_ALONE = [
    "http://127.0.0.1/",
    "a limit of 29 s, then 30 seconds",
    "Account 123456789012",
    "isBase64Encoded=False",
    'IntegrationType="AWS_PROXY"',
    "IntegrationType=&quot;AWS_PROXY&quot;",
    "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=",
    "SGVsbG8sIHdvcmxkIQ==",
    "2026-11-24",
    "1.5 MB",
    "handlers",
]


@pytest.mark.parametrize("text", EXAMPLES)
def test_what_differs_is_replaced(text: str) -> None:
    assert substitute(text) == EXAMPLES[text]


@pytest.mark.parametrize("text", LEFT_ALONE)
def test_what_says_something_is_left_alone(text: str) -> None:
    assert substitute(text) == text


@pytest.mark.parametrize("text", sorted(set(EXAMPLES.values())))
def test_what_was_replaced_stays_as_it_is(text: str) -> None:
    """nbval replaces in what is stored, too."""
    assert substitute(text) == text


@pytest.mark.parametrize("each", SUBSTITUTIONS, ids=lambda each: each.pattern)
def test_each_substitution_has_an_example_and_a_reason(each: tuple[str, str, str]) -> None:
    assert any(re.search(each[0], example) for example in EXAMPLES)
    assert each[2]


def test_folders_of_this_machine_are_named_by_what_they_are(tmp_path: Path) -> None:
    lab = tmp_path / "a lab (copy)"
    found = places(lab)
    assert substitute(f"{lab}/notebooks/x", found) == "LAB/notebooks/x"
    assert substitute(f"File {sys.prefix}/lib/x.py", found) == "File PYTHON/lib/x.py"
    assert substitute(f"{tempfile.gettempdir()}/x", found) == "TMP/x"
    assert not substitute(f"{lab}x/y", found).startswith("LAB")


@pytest.mark.parametrize("colour", ["\x1b[32m", "\x1b[0m", "\x1b[0;32m", "\x1b[38;5;28m"])
def test_a_folder_is_found_right_after_a_colour(colour: str, tmp_path: Path) -> None:
    """IPython colours the files of a traceback."""
    found = places(tmp_path)
    assert substitute(f"File {colour}{tmp_path}/x.py\x1b[0m", found) == (
        f"File {colour}LAB/x.py\x1b[0m"
    )
    assert substitute(f"m{tmp_path}/x.py", found) == f"m{tmp_path}/x.py"
