"""A check tries the answer out, says what it does, and keeps what the student has done."""

import re
from pathlib import Path

import pytest

from labkit.course.checking import check, judge
from labkit.course.exercise import Attempt, CourseError, Diagnosis, Kind, exercise
from labkit.course.journal import Journal
from labkit.course.sandbox import Refused, Sandbox
from labkit.course.verdict import NotYet
from labkit.lab import Lab, running

HANDLER = """
import json, os, boto3

table = boto3.client("dynamodb")

def handler(event, context):
    context_ = event["requestContext"]
    if context_["eventType"] == "CONNECT":
        if "name" not in event.get("queryStringParameters", {}):
            return {"statusCode": 401}
        table.put_item(TableName=os.environ["TABLE"], Item={
            "connectionId": {"S": context_["connectionId"]},
            "name": {"S": event["queryStringParameters"]["name"]},
        })
        return {"statusCode": 200}
    return {"statusCode": 200, "body": "echo " + json.loads(event["body"])["text"]}
"""


@exercise(
    "1.1",
    "Remember and echo",
    kind=Kind.FILL_IN,
    difficulty=1,
    minutes=1,
    hints=("a", "b", "c"),
    diagnoses={
        "FORGETS": "write the connection down",
        "OPEN_TO_ALL": "refuse who has no name",
        "SILENT": Diagnosis("return a body", hints=("own",)),
    },
    solved="Now you know.",
)
def remembers(attempt: Attempt, handler: Path) -> None:
    with attempt.sandbox() as aws:
        table = aws.table("connections", key="connectionId")
        function = aws.function("echo", handler, environment={"TABLE": table})
        url = aws.websocket_api({"$connect": function, "$default": function}, answers=["$default"])
        try:
            aws.connect(url)
        except Refused as refused:
            status = refused.status
        else:
            status = 101
        if status != 401:
            raise attempt.not_yet("OPEN_TO_ALL", did="let a stranger in", expected="a refusal")
        ada = aws.connect(f"{url}?name=ada")
        if aws.items(table) != [{"connectionId": ada.id, "name": "ada"}]:
            raise attempt.not_yet("FORGETS", did="wrote nothing", expected="one item")
        ada.send({"text": "hi"})
        aws.settle()
        if ada.frames != ["echo hi"]:
            raise attempt.not_yet("SILENT", did=f"sent {ada.frames}", expected="['echo hi']")


@exercise(
    "1.2",
    "Double",
    kind=Kind.FILL_IN,
    difficulty=1,
    minutes=1,
    needs=("1.1",),
    hints=("a", "b", "c"),
    diagnoses={"ONE": "one", "TWO": "two", "THREE": "three"},
)
def doubles(attempt: Attempt, double: object) -> None:
    assert callable(double)
    if double(4) != 8:
        raise attempt.not_yet("ONE", did=f"double(4) gave {double(4)}", expected="8")


@pytest.fixture(scope="module", autouse=True)
def lab():
    with running() as lab:
        yield lab


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "echo.py"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_right_answer_passes_and_nothing_of_the_attempt_stays(tmp_path: Path, lab: Lab) -> None:
    assert judge(remembers, written(tmp_path, HANDLER)) is None
    import boto3

    assert boto3.client("dynamodb", region_name="us-east-1").list_tables()["TableNames"] == []


def test_connections_that_an_attempt_leaves_open_end_without_their_function(lab: Lab) -> None:
    before = lab.log.last
    with Sandbox(lab, seed=1) as aws:
        raises = aws.function("bye", "def handler(event, context):\n    raise KeyError")
        client = aws.connect(aws.websocket_api({"$disconnect": raises}))
    lab.log.wait(
        lambda event: event.kind == "disconnect.handled" and event["connection"] == client.id,
        after=before,
        timeout=10,
    )
    assert not [event for event in lab.log.after(before) if event.kind == "function.invoked"]


STRANGERS = 'return {"statusCode": 401}'
ECHO = '"body": "echo " + json.loads(event["body"])["text"]'


@pytest.mark.parametrize(
    ("before", "after", "diagnosis"),
    [
        (STRANGERS, 'return {"statusCode": 200}', "OPEN_TO_ALL"),
        ("table.put_item(", "dict(", "FORGETS"),
        (ECHO, '"text": "echo"', "SILENT"),
    ],
)
def test_a_wrong_answer_gets_its_diagnosis(
    tmp_path: Path, before: str, after: str, diagnosis: str
) -> None:
    assert HANDLER.count(before) == 1
    verdict = judge(remembers, written(tmp_path, HANDLER.replace(before, after)))
    assert verdict is not None
    assert verdict.diagnosis == diagnosis


def test_a_handler_that_raises_shows_its_log_with_the_verdict(tmp_path: Path) -> None:
    text = HANDLER.replace('json.loads(event["body"])["text"]', 'event["text"]')
    verdict = judge(remembers, written(tmp_path, text))
    assert verdict is not None
    assert verdict.diagnosis == "SILENT"
    shown = "\n".join(verdict._render_traceback_())
    assert "[ERROR] KeyError: 'text'" in shown
    assert 'File "/var/task/echo.py", line 16, in handler' in shown


def test_a_handler_that_raises_within_boto3_shows_its_own_frames_alone(tmp_path: Path) -> None:
    call = 'table.get_item(TableName="nowhere", Key={"name": {"S": "ada"}})'
    text = HANDLER.replace('"echo " + json.loads(event["body"])["text"]', call)
    verdict = judge(remembers, written(tmp_path, text))
    assert verdict is not None
    shown = [line.strip() for line in verdict._render_traceback_()]
    own = shown.index('File "/var/task/echo.py", line 16, in handler')
    assert call in shown[own + 1]
    assert re.fullmatch(r"… \d+ frames of boto3 and Python left out", shown[own + 2])
    assert [line for line in shown if "botocore/" in line] == []
    assert any(line.startswith("[ERROR] ResourceNotFoundException: ") for line in shown)


@exercise(
    "1.3",
    "Predict",
    kind=Kind.PREDICT,
    difficulty=1,
    minutes=1,
    hints=("a", "b", "c"),
    diagnoses={"ONE": "one", "TWO": "two", "THREE": "three"},
)
def predicts(attempt: Attempt, said: str) -> None:
    with attempt.sandbox() as aws:
        function = aws.function("fails", "def handler(event, context):\n    raise KeyError")
        if (error := aws.invoke(function, {})["errorType"]) != said:
            raise attempt.not_yet("ONE", did=f"you said {said}", expected=error)


def test_the_log_of_a_function_of_the_checks_own_is_not_shown_as_the_students() -> None:
    verdict = judge(predicts, "ValueError")
    assert verdict is not None
    assert verdict.diagnosis == "ONE"
    assert verdict.frames == ()


def test_an_error_in_the_students_code_shows_the_students_frames_alone() -> None:
    space: dict[str, object] = {}
    source = "def double(x):\n    return x + None\n"
    exec(compile(source, "<ipython-input-1>", "exec"), space)
    verdict = judge(doubles, space["double"])
    assert verdict is not None
    assert verdict.diagnosis == "YOUR_CODE_RAISED"
    shown = "\n".join(verdict._render_traceback_())
    assert "this notebook, line 2, in double" in shown
    assert "test_checking" not in shown
    assert "judge" not in shown
    assert "TypeError: unsupported operand" in shown


def test_a_stub_is_nothing_yet() -> None:
    def double(x: int) -> int: ...

    for gap, told in (
        (double, "... in line 1 of the function"),
        (None, "..."),
        (..., "..."),
        ([1, ...], "..."),
        ('{\n "Next": "?"\n}', '"?" in line 2 of the text'),
        ("", '"?"'),
    ):
        verdict = judge(doubles, gap)
        assert verdict is not None
        assert verdict.diagnosis == "NOTHING_YET"
        assert verdict.did == f"your answer still has a gap: {told}"


def test_an_answer_is_written_down_and_a_stub_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LABKIT_WORK", str(tmp_path))
    with pytest.raises(NotYet):
        check("1.2", None)
    assert list(Journal(tmp_path).lines()) == []
    with pytest.raises(NotYet) as caught:
        check("1.2", lambda message, routes: None)
    (line,) = Journal(tmp_path).lines()
    assert (line["what"], line["diagnosis"]) == ("not yet", caught.value.diagnosis)


def test_a_verdict_reads_in_a_few_lines() -> None:
    verdict = judge(doubles, lambda x: x)
    assert str(verdict).splitlines() == [
        "Exercise 1.2 Double: not yet                                  [ONE]",
        "  Did:      double(4) gave 4",
        "  Expected: 8",
        "  Next:     one",
        '  hint("1.2") gives hint 1 of 3',
    ]


def test_a_box_that_is_malformed_is_refused_with_all_its_faults() -> None:
    with pytest.raises(CourseError) as refused:
        exercise(
            "2.1",
            "Bad",
            kind=Kind.MAKE,
            difficulty=7,
            minutes=0,
            hints=("a", "", "c"),
            diagnoses={"ONE": "one"},
        )
    for fault in ("difficulty", "minutes", "hints", "three diagnoses"):
        assert fault in str(refused.value)
    with pytest.raises(CourseError, match=r"needs 2\.1, which does not come before"):
        exercise(
            "2.1",
            "Bad",
            kind=Kind.MAKE,
            difficulty=1,
            minutes=1,
            needs=("2.1",),
            hints=("a", "b", "c"),
            diagnoses={"ONE": "one", "TWO": "two", "THREE": "three"},
        )


def test_an_unknown_diagnosis_is_the_courses_fault() -> None:
    with pytest.raises(CourseError, match="no diagnosis 'NINE'"):
        doubles.diagnosis("NINE")


def test_an_error_of_several_lines_is_told_in_one() -> None:
    space: dict[str, object] = {}
    source = "def double(x):\n    raise ValueError('first\\nsecond ' + 'long ' * 99)\n"
    exec(compile(source, "<ipython-input-1>", "exec"), space)
    verdict = judge(doubles, space["double"])
    assert verdict is not None
    assert verdict.did.startswith("ValueError: first second long")
    assert verdict.did.endswith("…")
    assert len(verdict.did) <= 160
