"""The table of what AWS does: complete, proven, and as the page shows it."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from tests.fidelity.behaviours import behaviours, mutants, subjects
from tests.fidelity.breaking import breaks, survivors
from tests.fidelity.claims import TESTS, Claim, claims
from tests.fidelity.document import PATH, document

pytest_plugins = ["pytester"]

BEHAVIOURS = behaviours()
CLAIMS = claims()
DEADLINE = 120
"""Seconds for a run of pytest."""


def test_each_behaviour_has_a_test_that_names_it() -> None:
    named = {claim.behaviour for claim in CLAIMS}
    missing = [key for key, each in BEHAVIOURS.items() if each.needs_test and key not in named]
    assert missing == [], "write a test, and mark it with @pytest.mark.behaviour(id)"


def test_no_test_names_a_behaviour_that_is_not_there() -> None:
    assert [claim for claim in CLAIMS if claim.behaviour not in BEHAVIOURS] == []


def test_page_is_what_the_tests_give() -> None:
    made = document(subjects(), CLAIMS)
    assert PATH.read_text("utf-8") == made, "run: python -m tests.fidelity"


def test_each_address_is_of_a_documentation() -> None:
    pages = {page for each in BEHAVIOURS.values() for page in each.pages}
    assert len(pages) > 20
    aws = ("https://docs.aws.amazon.com/", "https://repost.aws/knowledge-center/")
    hosts = (*aws, "https://www.rfc-editor.org/", "https://www.w3.org/")
    assert [page for page in pages if not page.address.startswith(hosts)] == []


# -- rules that are broken on purpose -----------------------------------------------------------------


NOT_OURS = {"states.dynamodb.missing"}
"""What moto does: no line of ours is the rule."""


def test_each_rule_without_a_value_is_broken_somewhere() -> None:
    rules = {key for key, each in BEHAVIOURS.items() if each.needs_test and not each.values}
    assert {each.behaviour for each in breaks()} == rules - NOT_OURS


def test_what_is_to_be_broken_is_there() -> None:
    gone = [(each.behaviour, each.file) for each in breaks() if not each.applies()]
    assert gone == [], "tests/fidelity/broken.toml names source that has changed"


@pytest.mark.timeout(DEADLINE)
def test_broken_rule_is_noticed_and_a_whole_one_is_not() -> None:
    """For all of them, which takes minutes: ``python -m tests.fidelity --break``."""
    [broken] = [each for each in breaks() if each.behaviour == "websocket.deployments.next"]
    whole = replace(broken, new=broken.old)
    noticed, unnoticed = (wrong for _, wrong in survivors([broken, whole], CLAIMS))
    assert noticed == ""
    assert "no test fails (pytest ends with 0)" in unnoticed


# -- the machinery --------------------------------------------------------------------------------


def folder_with(tmp_path: Path, behaviour: str) -> Path:
    (tmp_path / "pages.toml").write_text(
        '[folders]\nguide = "https://docs.example/"\n[guide]\nquotas = ["Quotas", "quotas.html"]\n'
    )
    (tmp_path / "thing.toml").write_text(
        f'title = "A thing"\norder = 1\n[part]\ntitle = "A part"\n[part.one]\n{behaviour}\n'
    )
    return tmp_path


def test_sentence_has_the_values(tmp_path: Path) -> None:
    what = "what = 'At most {longest} of {words}; `{{}}` stays.'"
    folder = folder_with(
        tmp_path, f"{what}\npages = ['quotas']\nvalues = {{longest = 131072, words = ['a', 'b']}}"
    )
    [one] = behaviours(folder).values()
    assert one.id == "thing.part.one"
    assert one.sentence() == "At most 131,072 of `a`, `b`; `{}` stays."
    assert one.pages[0].address == "https://docs.example/quotas.html"
    page = document(subjects(folder), [Claim("test_a.py", "test_it_is_so", "thing.part.one")])
    assert (
        "| At most 131,072 of `a`, `b`; `{}` stays. | documented: "
        "[Quotas](https://docs.example/quotas.html) | [it is so](../tests/test_a.py) |" in page
    )


@pytest.mark.parametrize(
    ("behaviour", "why"),
    [
        ("what = 'a'", "names no page"),
        ("what = 'a'\nevidence = 'our choice'\npages = ['quotas']", "names no page"),
        ("what = 'a'\nevidence = 'seen'", "unknown kind: seen"),
        ("what = 'a'\nevidence = 'captured'\nvalues = {status = 1}", "does not tell"),
        ("what = 'a'\nevidence = 'captured'\ntold = 'a letter'", "'a letter'"),
        ("what = 'a'\nevidence = 'captured'\nwhy = 'b'", "nothing reads: why"),
    ],
)
def test_behaviour_that_is_told_badly_is_refused(tmp_path: Path, behaviour: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        behaviours(folder_with(tmp_path, behaviour))


def test_mutants_differ_in_one_place() -> None:
    assert list(mutants(403)) == [404]
    assert list(mutants("Gone")) == ["Gone?"]
    assert list(mutants(True)) == [False]
    assert list(mutants([1, "a"])) == [[2, "a"], [1, "a?"], [1]]


def test_claims_are_read_from_the_source(tmp_path: Path) -> None:
    (tmp_path / "test_a.py").write_text(
        "@pytest.mark.behaviour('a.b.c', 'd.e.f')\n@pytest.mark.other\nasync def test_it(): ...\n"
        "@pytest.mark.behaviour('not.a.test')\ndef helper(): ...\n"
    )
    assert claims(tmp_path) == [
        Claim("test_a.py", "test_it", "a.b.c"),
        Claim("test_a.py", "test_it", "d.e.f"),
    ]


@pytest.fixture
def wrong(pytester: pytest.Pytester) -> Callable[..., pytest.RunResult]:
    """Runs a test that is wrong on purpose, in a folder of its own."""

    def run(test: str, *options: str) -> pytest.RunResult:
        folder = pytester.mkdir("tests")
        (folder / "test_wrong.py").write_text(f"import pytest\n{test}\n")
        plain = ("-o", "asyncio_default_fixture_loop_scope=function", "-p", "tests.fidelity.plugin")
        return pytester.runpytest_inprocess(*plain, *options)

    return run


def test_value_that_no_test_reads_is_noticed(wrong: Callable[..., pytest.RunResult]) -> None:
    ended = wrong(
        "@pytest.mark.behaviour('websocket.close.idle')\n"
        "def test_blind(expected):\n"
        "    assert expected.code == 1001 and expected.reason\n",
        "--mutate-values",
    )
    assert ended.ret == pytest.ExitCode.TESTS_FAILED
    ended.stdout.fnmatch_lines(
        [
            "no test notices websocket.close.idle: reason = 'Going away[?]'",
            "1 of 3 changed values were noticed",
        ]
    )


def test_behaviour_that_is_not_there_is_refused(wrong: Callable[..., pytest.RunResult]) -> None:
    ended = wrong("@pytest.mark.behaviour('websocket.nothing')\ndef test_it(): ...")
    assert ended.ret == pytest.ExitCode.USAGE_ERROR
    ended.stderr.fnmatch_lines(["*names behaviours that *.toml lack: websocket.nothing"])


@pytest.mark.timeout(DEADLINE)
def test_changed_values_are_noticed() -> None:
    """Those of which no test needs a whole lab; for all: ``python -m tests.fidelity --mutate``."""
    names = [
        "api_key", "authorizer", "connection", "events", "handshake", "http_api", "http_cors",
        "http_events", "http_routes", "integrations", "limits", "management_api", "quotas",
        "request_model", "routes", "throttle", "websocket_api",
    ]  # fmt: skip
    files = [f"tests/apigateway/test_{name}.py" for name in names]
    ended = subprocess.run(
        [sys.executable, "-m", "tests.fidelity", "--mutate", *files],
        cwd=TESTS.parent,
        capture_output=True,
        text=True,
        check=False,
        timeout=DEADLINE,
    )
    assert ended.returncode == 0, ended.stdout
    noticed = re.search(r"(\d+) of \1 changed values were noticed", ended.stdout)
    assert noticed is not None
    assert int(noticed[1]) > 150
