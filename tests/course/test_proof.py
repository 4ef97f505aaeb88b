"""The proof of the checks notices each way in which an exercise may not be proven."""

import dataclasses
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from labkit.course import catalogue
from labkit.course.exercise import Attempt, CourseError, Exercise
from labkit.course.journal import Journal
from labkit.course.proof import command
from labkit.course.proof.desk import BREAKS, ENDLESS, PASSES, RAISES, Desk
from labkit.course.proof.prover import Proof
from labkit.course.proof.trial import SEEDS
from labkit.course.source import exercise_sources
from labkit.lab import Lab, running

PACKAGE = "tests.course.proven"


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with running() as lab:
        yield lab


class Draft:
    """A copy of the lesson that a test may spoil."""

    def __init__(self, folder: Path, lab: Lab) -> None:
        (whole,) = catalogue.lessons(PACKAGE)
        self.folder = folder / whole.folder.name
        shutil.copytree(whole.folder, self.folder)
        self.lesson = dataclasses.replace(whole, folder=self.folder)
        self._lab = lab

    def edit(self, name: str, old: str, new: str) -> None:
        path = self.folder / name
        text = path.read_text("utf-8")
        assert text.count(old) == 1, f"{old!r} stands {text.count(old)} times in {name}"
        path.write_text(text.replace(old, new), "utf-8")

    def exercise(self, number: str) -> Exercise:
        return next(each for each in self.lesson.exercises if each.number == number)

    def replace(self, number: str, **changes: object) -> None:
        self.lesson = dataclasses.replace(
            self.lesson,
            exercises=tuple(
                dataclasses.replace(each, **changes) if each.number == number else each
                for each in self.lesson.exercises
            ),
        )

    def prove(self, number: str, *, mutants: bool = False) -> Proof:
        return command.prove(self.lesson, number, self._lab, mutants=mutants)

    def desk(self, number: str) -> Desk:
        return Desk(exercise_sources(self.lesson)[number], self._lab)


@pytest.fixture
def draft(tmp_path: Path, lab: Lab) -> Draft:
    return Draft(tmp_path, lab)


SURVIVOR = "- `True became False in: known[message] = True`: any value will do, its key is known."


# -- a lesson that is proven ----------------------------------------------------------------------


@pytest.mark.parametrize("number", ["1.1", "1.2", "1.3"])
def test_an_exercise_is_proven(draft: Draft, number: str) -> None:
    (draft.folder / "survivors.md").write_text(f"# Passing\n\n## 1.1\n\n{SURVIVOR}\n", "utf-8")
    proof = draft.prove(number, mutants=True)
    assert proof.failures == []
    assert proof.counts["wrong answers rejected"] == (5, 5)
    assert proof.counts["right answers accepted"] == (3, 3)
    assert proof.mutants >= 7
    assert proof.killed == proof.mutants - (number == "1.1")


def test_exercises_are_proven_side_by_side_and_told_in_order() -> None:
    said: list[str] = []
    assert command.run(catalogue.lessons(), ["1.1", "2.1"], processes=2, say=said.append) == 0
    assert [line.split()[:2] for line in said[:2]] == [["1.1", "proven"], ["2.1", "proven"]]
    with pytest.raises(CourseError, match=r"no 1\.99"):
        command.run(catalogue.lessons(), ["1.99"], processes=2, say=said.append)


# -- answers that do not meet their fate ----------------------------------------------------------

SPOILED = {
    "a wrong answer with another diagnosis": (
        "### wrong ALL: begins at one",
        "### wrong FORGETS: begins at one",
        "begins at one\n      expected FORGETS, came ALL (seed 1)",
    ),
    "a wrong answer that passes": (
        "-            known[message] = True\n```\n\n### wrong NONE",
        "+            # nothing\n             known[message] = True\n```\n\n### wrong NONE",
        "expected FORGETS, came passes",
    ),
    "a right answer that is rejected": (
        "known.update(dict.fromkeys(new, True))",
        "known.update({})",
        "with sets\n      expected passes, came FORGETS (seed 1)\n      Did: known is {'hello': True}",
    ),
    "a wrong answer that is the stub": (
        "```diff\n-    new = 0\n+    new = 1\n```",
        '```python\ndef count(messages, known):\n    """Count."""\n    ...  # soon\n```',
        "begins at one: it does nothing",
    ),
    "a wrong answer with an empty body": (
        "```diff\n-    new = 0\n+    new = 1\n```",
        "```python\ndef count(messages, known):\n    return\n```",
        "begins at one: it does nothing",
    ),
    "a wrong answer that is no Python": (
        "+    new = 1",
        "+    new = = 1",
        "begins at one: no Python",
    ),
    "a right answer that is the solution": (
        "    new = set(messages) - set(known)\n    known.update(dict.fromkeys(new, True))\n"
        "    return len(new)",
        "    new = 0  # so far\n    for message in messages:\n        if message not in known:\n"
        "            known[message] = True\n            new += 1\n    return new",
        "with sets: the same as l01_counting/exercises.md:",
    ),
    "too few wrong answers": (
        "### wrong ALL: begins at one\n```diff\n-    new = 0\n+    new = 1\n```\n",
        "",
        "4 wrong answers; at least 5 are needed",
    ),
    "a diagnosis that nothing reaches": (
        "### wrong FORGETS: writes nothing down\n```diff\n-            known[message] = True\n```",
        "### wrong ALL: begins at two\n```diff\n-    new = 0\n+    new = 2\n```",
        "no wrong answer gets FORGETS",
    ),
}


@pytest.mark.parametrize("case", SPOILED)
def test_what_is_spoiled_is_noticed(draft: Draft, case: str) -> None:
    old, new, said = SPOILED[case]
    draft.edit("answers.md", old, new)
    failures = draft.prove("1.1").failures
    assert any(said in failure for failure in failures), failures


def test_too_few_right_answers_and_diagnoses_are_noticed(draft: Draft) -> None:
    path = draft.folder / "answers.md"
    text = path.read_text("utf-8")
    begin, end = text.index("### wrong FORGETS: writes"), text.index("### right: by the difference")
    same = "### wrong ALL: begins at {0}\n```diff\n-    new = 0\n+    new = {0}\n```\n\n"
    path.write_text(text[:begin] + same.format(2) + same.format(3) + text[end:], "utf-8")
    failures = "\n".join(draft.prove("1.1").failures)
    assert "1 right answers beside the solution; at least 2 are needed" in failures
    assert "1 different diagnoses; at least 3 are needed" in failures
    assert "no wrong answer gets FORGETS, NONE" in failures


def test_a_wrong_answer_may_not_count_as_nothing_yet(draft: Draft) -> None:
    draft.edit(
        "answers.md",
        "### wrong ALL: begins at one\n```diff\n-    new = 0\n+    new = 1\n",
        "### wrong NOTHING_YET: stops\n```diff\n-    new = 0\n+    new = ...\n",
    )
    assert any("NOTHING_YET is for the stub" in said for said in draft.prove("1.1").failures)


@pytest.mark.parametrize(
    ("stub", "came"),
    [
        (
            "    return [1, 0][not messages] if not known.update({m: 1 for m in messages}) else 1",
            "passes",
        ),
        ("    return 1\n\n\ncount([], nothing)", "FORGETS"),
    ],
    ids=["passes", "raises"],
)
def test_a_stub_that_passes_or_raises_is_noticed(draft: Draft, stub: str, came: str) -> None:
    draft.edit(
        "exercises.md",
        "    return new\n    #: stub\n    ...",
        f"    return new\n    #: stub\n{stub}",
    )
    (said,) = draft.prove("1.1").failures
    assert f"the stub\n      expected NOTHING_YET, came {came} (seed 1)" in said
    assert ("The answer's own cell raised NameError" in said) == (came == "FORGETS")


def test_data_that_a_check_judges_differently_is_told(draft: Draft) -> None:
    honest = draft.exercise("1.1").check

    def moody(attempt: Attempt, *answer: object) -> None:
        honest(attempt, *answer)
        if attempt.seed == SEEDS[2]:
            raise attempt.not_yet("ALL", did="is in a mood", expected="luck")

    draft.replace("1.1", check=moody)
    assert f"the solution\n      expected passes, came ALL (seed {SEEDS[2]})" in "".join(
        draft.prove("1.1").failures
    )


def test_an_exercise_whose_own_cells_fail_is_told(draft: Draft) -> None:
    draft.edit("exercises.md", 'seen = {"hello": 1}', "seen = nothing")
    assert draft.prove("1.1").failures == [
        "Exercise 1.1 cannot be tried: the cell that begins with 'seen = nothing' fails: NameError: "
        "name 'nothing' is not defined"
    ]


# -- mutants --------------------------------------------------------------------------------------


def test_a_mutant_that_passes_must_be_listed(draft: Draft) -> None:
    (said,) = draft.prove("1.1", mutants=True).failures
    assert "a mutant passes: True became False in: known[message] = True" in said
    assert "below '## 1.1':\n      - `True became False in: known[message] = True`: " in said


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ("- `new += 2`: why not.", "survivors.md:5: new += 2 is no mutant any more"),
        (
            "- `1 became 2 in: new += 1`: who counts?",
            "survivors.md:5: 1 became 2 in: new += 1 is rejected now",
        ),
    ],
)
def test_a_listed_mutant_that_does_not_pass_is_stale(draft: Draft, entry: str, said: str) -> None:
    (draft.folder / "survivors.md").write_text(f"## 1.1\n\n{SURVIVOR}\n\n{entry}\n", "utf-8")
    (failure,) = draft.prove("1.1", mutants=True).failures
    assert said in failure


@pytest.mark.parametrize("entry", ["- new += 2: why not.", "- `new += 2`:", "- `new += 2`"])
def test_a_survivor_without_name_or_reason_is_refused(draft: Draft, entry: str) -> None:
    (draft.folder / "survivors.md").write_text(f"## 1.1\n\n{entry}\n", "utf-8")
    with pytest.raises(CourseError, match=r"survivors\.md:3: .* is no survivor"):
        draft.prove("1.1")


def test_a_check_that_looks_at_nothing_lets_mutants_pass(draft: Draft) -> None:
    draft.replace("1.2", check=lambda attempt, *answer: None)
    proof = draft.prove("1.2", mutants=True)
    assert proof.killed == 0
    assert command.too_many([proof])


def test_of_the_course_nine_mutants_in_ten_must_be_killed_and_not_of_each_exercise(
    draft: Draft,
) -> None:
    draft.replace("1.2", check=lambda attempt, *answer: None)
    rule = "At least 90% of the course's mutants must be killed."
    said: list[str] = []
    command.run([draft.lesson], ["1.2"], mutants=True, say=said.append)
    assert "mutants" in said[-1]
    assert rule not in said
    assert command.run([draft.lesson], mutants=True, say=said.append) == 1
    assert said[-1] == rule


def test_a_check_that_breaks_on_a_mutant_is_told(draft: Draft) -> None:
    def brittle(attempt: Attempt, definition: str) -> None:
        with attempt.sandbox() as aws:
            aws.state_machine(definition)

    draft.replace("1.3", check=brittle)
    assert "the check breaks on a mutant: without States.IsEmpty.Choices.0" in "\n".join(
        draft.prove("1.3", mutants=True).failures
    )


# -- the command ----------------------------------------------------------------------------------


def test_the_command_says_how_each_exercise_stands(draft: Draft) -> None:
    said: list[str] = []
    draft.edit("answers.md", "### wrong ALL: begins at one", "### wrong FORGETS: begins at one")
    assert command.run([draft.lesson], ["1.1", "1.3"], say=said.append) == 1
    told = "\n".join(said)
    assert "1.1   not proven  wrong rejected 4 of 5, right accepted 3 of 3, slowest check" in told
    assert "    l01_counting/answers.md:" in told
    assert "1.3   proven      wrong rejected 5 of 5, right accepted 3 of 3, slowest check" in told
    assert "exercises proven           1 of     2" in told
    assert "mutants" not in told


def test_an_exercise_that_leans_on_another_is_not_proven(draft: Draft) -> None:
    draft.edit(
        "exercises.md",
        "```python\n%%handler counter",
        "```python\ncount([], {}) + 1\n```\n\n```python\n%%handler counter",
    )
    said: list[str] = []
    assert command.run([draft.lesson], ["1.1"], say=said.append) == 1
    assert "a cell fails when 1.1 is left out: TypeError" in "\n".join(said)


def test_the_command_never_works_in_a_students_cloud(
    draft: Draft, lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It removes what answers make; `labkit serve` may hold what a student made."""
    monkeypatch.setenv("LABKIT_ENDPOINT", "http://127.0.0.1:9")
    seen: list[str | None] = []
    honest = draft.exercise("1.3").check

    def noting(attempt: Attempt, definition: str) -> None:
        seen.append(os.environ.get("LABKIT_ENDPOINT"))
        honest(attempt, definition)

    draft.replace("1.3", check=noting)
    assert command.run([draft.lesson], ["1.3"], say=lambda line: None) == 0
    assert set(seen) == {None}
    assert os.environ["LABKIT_ENDPOINT"] == "http://127.0.0.1:9"


def test_the_command_knows_lessons_and_exercises_only(draft: Draft) -> None:
    said: list[str] = []
    assert command.run([draft.lesson], ["01"], say=said.append) == 0
    assert "exercises proven           3 of     3" in "\n".join(said)
    for wanted in ("1.9", "2", "2.1", "everything"):
        with pytest.raises(CourseError, match=f"There is no {wanted} to prove"):
            command.run([draft.lesson], [wanted])


# -- the desk: each answer for itself -------------------------------------------------------------

COUNT = """
def count(messages, known):
    before = len(known)
    known.update(dict.fromkeys(messages, True))
    return len(known) - before
"""

TRACES = """
import os, pathlib, boto3
from labkit.handler_magic import handlers_folder

left = []
if "LEFT" in os.environ: left.append("a variable")
if "secret" in globals(): left.append("a name")
if seen != {"hello": 1}: left.append("data")
if list(pathlib.Path().iterdir()) or handlers_folder().exists(): left.append("a file")
if boto3.client("dynamodb").list_tables()["TableNames"]: left.append("a table")
if list(lab.faults): left.append("a fault")

os.environ["LEFT"] = "1"
secret = 1
seen["more"] = 2
pathlib.Path("file").touch()
handlers_folder().mkdir()
lab.faults.add("frame.in", "drop")
if left:
    raise RuntimeError(", ".join(left))
"""

IN_AWS = """
boto3.client("dynamodb").create_table(
    TableName="left", BillingMode="PAY_PER_REQUEST",
    KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
    AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
)
"""


@pytest.mark.parametrize("traces", [TRACES, TRACES + IN_AWS], ids=["here", "in AWS too"])
def test_an_answer_leaves_nothing_for_the_next_one_or_for_anybody(
    draft: Draft, lab: Lab, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, traces: str
) -> None:
    mine = tmp_path / "mine"
    monkeypatch.setenv("LABKIT_WORK", str(mine))
    before = dict(os.environ), Path.cwd()
    with draft.desk("1.1") as desk:
        for _ in range(3):
            tried = desk.try_out(draft.exercise("1.1"), traces + COUNT, 1)
            assert (tried.outcome, tried.raised) == (PASSES, "")
    assert (dict(os.environ), Path.cwd()) == before
    import boto3

    assert boto3.client("dynamodb", region_name="us-east-1").list_tables()["TableNames"] == []
    assert not mine.exists()
    assert Journal(mine).standings() == {}


def test_objects_of_the_notebooks_own_classes_are_copied_and_clients_are_not(draft: Draft) -> None:
    draft.edit(
        "exercises.md",
        'seen = {"hello": 1}',
        "import boto3\n\n\nclass Box:\n    def __init__(self):\n        self.things = []\n\n\n"
        "box = Box()\nboxes = {'one': box}\nclient = boto3.client('sts')\nfirst = id(client)\n"
        'seen = {"hello": 1}',
    )
    answer = (
        "assert box.things == [] and boxes['one'] is box and id(client) == first\n"
        "box.things.append(1)\n"
    )
    with draft.desk("1.1") as desk:
        for _ in range(2):
            assert desk.try_out(draft.exercise("1.1"), answer + COUNT, 1).raised == ""


def test_a_given_function_calls_the_answer_of_now(draft: Draft) -> None:
    draft.edit(
        "exercises.md",
        'seen = {"hello": 1}',
        'seen = {"hello": 1}\n\n\ndef twice(messages):\n    return 2 * count(messages, {})',
    )
    draft.edit("exercises.md", 'check("1.1", count)', 'check("1.1", twice)')
    seen: list[int] = []
    draft.replace("1.1", check=lambda attempt, twice: seen.append(twice(["a"])))
    with draft.desk("1.1") as desk:
        for number in (1, 5):
            answer = f"def count(messages, known):\n    return {number}"
            desk.try_out(draft.exercise("1.1"), answer, 1)
    assert seen == [2, 10]


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        (COUNT, PASSES),
        ("count = None", "NOTHING_YET"),
        ("1 / 0", RAISES),
        ("def count(messages, known):\n    return known[0]", "YOUR_CODE_RAISED"),
        ("def count(messages, known):\n    return 0", "NONE"),
    ],
)
def test_what_comes_of_an_answer(draft: Draft, answer: str, outcome: str) -> None:
    with draft.desk("1.1") as desk:
        assert desk.try_out(draft.exercise("1.1"), answer, 1).outcome == outcome


def test_a_check_that_raises_something_else_breaks(draft: Draft) -> None:
    def broken(attempt: Attempt, *answer: object) -> None:
        raise RuntimeError("mine")

    draft.replace("1.1", check=broken)
    with draft.desk("1.1") as desk:
        tried = desk.try_out(draft.exercise("1.1"), COUNT, 1)
    assert (tried.outcome, tried.said) == (BREAKS, "RuntimeError: mine")


@pytest.mark.parametrize(
    "answer",
    ["while True:\n    pass", "def count(messages, known):\n    while True:\n        pass"],
)
def test_an_answer_that_does_not_end_is_ended(draft: Draft, answer: str) -> None:
    with Desk(exercise_sources(draft.lesson)["1.1"], Lab.start(), seconds=0.3) as desk:
        assert desk.try_out(draft.exercise("1.1"), answer, 1).outcome == ENDLESS
        assert desk.try_out(draft.exercise("1.1"), COUNT, 1).outcome == PASSES
