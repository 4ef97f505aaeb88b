"""What is kept of an answer runs again by itself."""

import atexit
import base64
import json as parser
from collections import Counter
from pathlib import Path
from types import ModuleType
from typing import Any

import boto3
import pytest
from IPython.core.interactiveshell import InteractiveShell
from traitlets.config import Config

from labkit.course.answer_text import own_text, whole_text

LIMIT = 3
WORDS = {"hello": ["world"]}
UNSPEAKABLE = object()
logs = boto3.client("logs", region_name="eu-west-1")


class Box:
    def count(self, items: list[str]) -> int:
        return _most(Counter(items))


def _most(counted: "Counter[str]") -> int:
    return max(counted.values(), default=0) + len(_again("x"))


def _again(text: str) -> str:
    return text if len(text) > LIMIT else _again(text * 2)


def _answer(data: Path) -> Any:
    boxes = [Box().count(["a", "b", "a"]), base64.b64encode(b"x").decode(), parser.dumps(WORDS)]
    return [*boxes, LIMIT, logs.meta.service_model.service_name]


def _with_names_of_its_own(logs: int) -> int:
    for WORDS in range(logs):  # noqa: N806
        logs += WORDS
    return logs


def _on_what_is_not_kept() -> object:
    return UNSPEAKABLE


def run(text: str) -> dict[str, Any]:
    names: dict[str, Any] = {}
    exec(text, names)
    return names


def test_function_is_kept_with_all_that_it_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    text = whole_text(_answer)
    assert (
        run(text)["_answer"](Path())
        == _answer(Path())
        == [6, "eA==", '{"hello": ["world"]}', 3, "logs"]
    )
    assert list(run(text))[-1] == "_answer"
    assert text.count("def _again") == 1


def test_what_cannot_be_written_is_left_out() -> None:
    assert "UNSPEAKABLE =" not in whole_text(_on_what_is_not_kept)
    with pytest.raises(NameError):
        run(whole_text(_on_what_is_not_kept))["_on_what_is_not_kept"]()


def test_name_of_a_functions_own_is_not_looked_up_around_it() -> None:
    text = whole_text(_with_names_of_its_own)
    assert "boto3" not in text
    assert "world" not in text


def test_function_within_a_function_is_kept_with_what_it_has_of_it() -> None:
    factor = 7

    def answer(number: int) -> int:
        return number * factor

    assert run(whole_text(answer))["answer"](2) == 14


def test_text_of_each_kind_of_answer(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("x = 'ü'\n", "utf-8")
    assert own_text(tmp_path / "a.py") == "x = 'ü'\n"
    assert own_text("text") == whole_text("text") == "text"
    assert own_text({"StartAt": "A"}) == '{"StartAt": "A"}'
    assert own_text({"when": object()}) == ""
    assert own_text(["b", "a"]) == "['b', 'a']"
    assert own_text(len) == own_text(None) == ""


def test_part_of_a_line_is_kept_as_it_is() -> None:
    pair = (
        lambda number: number + LIMIT,
        0,
    )
    assert "number + LIMIT" in whole_text(pair[0])


def test_function_of_a_notebook_is_kept_with_what_other_cells_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path))
    config = Config({"HistoryManager": {"enabled": False}})
    shell = InteractiveShell(config=config, user_module=ModuleType("__main__"))
    for cell in (
        "import json\nfrom math import floor as down\nPRICES = {'tea': 8.9}\nready = print",
        "def price(sku):\n    return down(PRICES[sku])",
        "def total(skus):\n    return json.dumps(sum(price(sku) for sku in skus))",
    ):
        shell.run_cell(cell).raise_error()
    text = whole_text(shell.user_ns["total"])
    atexit.unregister(shell.atexit_operations)
    shell.atexit_operations()
    assert run(text)["total"](["tea", "tea"]) == "16"
