"""Mutants: what is changed in a solution, and what is let alone."""

import ast
import json
from pathlib import Path

import pytest

from labkit.course.proof import asl_mutant
from labkit.course.proof.form import Form, with_json
from labkit.course.proof.mutant import MOST, Mutant, mutants
from labkit.course.proof.survivor import quoted, read
from labkit.course.source import ExerciseSource, Region

HANDLER = '''
def handler(event, context):
    """Write the connection down."""
    if "name" not in event and not event.get("test"):
        raise ValueError("no name")
    print("got", event)
    seconds = 2 * 60
    table.put_item(
        TableName="t",
        Item={"id": {"S": event["id"]}, "ttl": {"N": str(seconds)}},
        ConditionExpression="attribute_not_exists(id) OR ttl < :now",
        ExpressionAttributeValues={":now": {"N": "1"}},
    )
    try:
        post(event["id"], event["name"])
    except GoneException:
        forget(event["id"])
    return {"statusCode": 200}
'''


def source(solution: str, stub: str = "...", before: str = "", after: str = "") -> ExerciseSource:
    region = Region(
        tuple(before.splitlines()),
        tuple(solution.splitlines()),
        tuple(stub.splitlines()),
        tuple(after.splitlines()),
    )
    return ExerciseSource("1.1", "A title", (), region, "", (), (), Path("exercises.md"), 1)


def named(found: list[Mutant]) -> dict[str, str]:
    return {mutant.name: mutant.code for mutant in found}


ALL = named(mutants(source(HANDLER), most=1000))


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ('negated: "name" not in event and not event.get("test")', "if '", "if not ("),
        ('and became or in: "name" not in event and not event.get("test")', " and ", " or "),
        ('not in became in in: "name" not in event', "'name' not in", "'name' in"),
        ('dropped: raise ValueError("no name")', "raise ValueError('no name')", "pass"),
        ("dropped: table.put_item(", "table.put_item(", "pass\n"),
        ('dropped: return {"statusCode": 200}', "return {'statusCode': 200}", "pass"),
        ('without its except: post(event["id"], event["name"])', "except GoneException", ""),
        ('200 became 201 in: return {"statusCode": 200}', "200", "201"),
        ("2 became 3 in: seconds = 2 * 60", "2 * 60", "3 * 60"),
        ("* became + in: 2 * 60", "2 * 60", "2 + 60"),
        ('without event["name"] in: post(event["id"], event["name"])', ", event['name'])", ")"),
    ],
)
def test_one_thing_is_changed(name: str, old: str, new: str) -> None:
    code = ast.unparse(ast.parse(ALL[name]))
    plain = ast.unparse(ast.parse(HANDLER))
    assert old in plain
    assert code.count(old) < plain.count(old)
    assert new in code


def test_a_condition_of_dynamodb_is_dropped_with_the_values_that_only_it_uses() -> None:
    (name,) = [name for name in ALL if name.startswith("without ConditionExpression in")]
    assert "Expression" not in ALL[name]
    assert "attribute_exists(id) OR ttl < :now" in "".join(
        code for name, code in ALL.items() if name.startswith("ConditionExpression:")
    )


def test_what_nobody_can_check_stays() -> None:
    for code in ALL.values():
        assert '"""Write the connection down."""' in code
        assert "print('got', event)" in code
    assert not any("'no name" in name for name in ALL if "became" in name)


def test_an_assertion_is_dropped_and_its_words_stay() -> None:
    found = named(
        mutants(source('def test(f):\n    assert f(2) == 4, "f doubles"\n    f(3)'), most=99)
    )
    assert 'dropped: assert f(2) == 4, "f doubles"' in found
    assert all("f doubles" in code or "assert" not in code for code in found.values())


def test_names_differ_and_so_do_the_texts_and_none_is_the_solution() -> None:
    keys = [Form.of(code).key for code in ALL.values()]
    assert len(set(keys)) == len(keys) > MOST
    assert Form.of(HANDLER).key not in keys


def test_a_few_are_chosen_of_every_kind_and_always_the_same() -> None:
    chosen = mutants(source(HANDLER))
    assert len(chosen) == MOST
    assert chosen == mutants(source(HANDLER))
    kinds = {mutant.kind for mutant in mutants(source(HANDLER), most=1000)}
    assert {mutant.kind for mutant in chosen} == kinds
    assert len(kinds) >= 8


def test_one_more_line_leaves_most_of_the_choice_as_it_was() -> None:
    longer = HANDLER.replace("    seconds =", "    minutes = 3\n    seconds =")
    before, after = (set(named(mutants(source(text)))) for text in (HANDLER, longer))
    assert len(before & after) >= MOST - 2


def test_only_what_stands_between_the_markers_is_changed() -> None:
    found = mutants(
        source(
            "    return a < b and b < c", before="LIMIT = 7\ndef f(a, b, c):", after="f(1, 2, 3)"
        )
    )
    assert found
    assert all("7" in mutant.code and "f(1, 2, 3)" in mutant.code for mutant in found)


def test_where_there_is_little_between_the_markers_the_rest_of_the_cell_is_changed() -> None:
    found = named(
        mutants(source("    name = who", before="def f(who):", after="    return name[0] == 'A'"))
    )
    assert "== became != in: name[0] == 'A'" in found


def test_a_handlers_magic_stays() -> None:
    found = mutants(
        source("    return event['a'] < 1", before="%%handler f\ndef f(event, context):")
    )
    assert found
    assert all(mutant.code.startswith("%%handler f\ndef f(event, context):") for mutant in found)


def test_a_known_right_answer_is_no_mutant() -> None:
    cell = source("    return a < b or a == b or c", before="def f(a, b, c):")
    first = mutants(cell)[0]
    assert first not in mutants(cell, [first.code])


# -- state machines -------------------------------------------------------------------------------

MACHINE = {
    "Comment": "A machine",
    "StartAt": "Work",
    "States": {
        "Work": {
            "Type": "Task",
            "Resource": "arn:aws:states:::lambda:invoke",
            "TimeoutSeconds": 5,
            "Retry": [{"ErrorEquals": ["Lambda.TooManyRequestsException"], "MaxAttempts": 3}],
            "Catch": [
                {"ErrorEquals": ["Rejected"], "Next": "Tell"},
                {"ErrorEquals": ["States.ALL"], "Next": "Fail"},
            ],
            "ResultPath": "$.result",
            "Next": "Found",
        },
        "Found": {
            "Type": "Choice",
            "Choices": [{"Condition": "{% $exists($states.input.Item) %}", "Next": "Tell"}],
            "Default": "Done",
        },
        "Tell": {"Type": "Pass", "Next": "Done"},
        "Done": {"Type": "Succeed"},
        "Fail": {"Type": "Fail"},
    },
}
CHANGED = {name: json.loads(text) for _, name, text in asl_mutant.changes(MACHINE)}


def test_rules_are_removed_one_by_one() -> None:
    catch = CHANGED["without States.Work.Catch.0"]["States"]["Work"]["Catch"]
    assert [rule["ErrorEquals"] for rule in catch] == [["States.ALL"]]
    assert "Retry" not in CHANGED["without States.Work.Retry.0"]["States"]["Work"]
    assert "Choices" not in CHANGED["without States.Found.Choices.0"]["States"]["Found"]


def test_a_condition_is_negated() -> None:
    (name,) = [name for name in CHANGED if "became" in name and "Condition" in name]
    rule = CHANGED[name]["States"]["Found"]["Choices"][0]
    assert rule["Condition"] == "{% $not($exists($states.input.Item)) %}"


def test_a_state_is_skipped() -> None:
    skipped = CHANGED["without the state Tell"]
    assert "Tell" not in skipped["States"]
    assert skipped["States"]["Work"]["Catch"][0]["Next"] == "Done"
    assert CHANGED["without the state Work"]["StartAt"] == "Found"


def test_retries_end_and_fields_go_and_targets_move() -> None:
    retries = CHANGED["3 became 0 at States.Work.Retry.0.MaxAttempts"]
    assert retries["States"]["Work"]["Retry"][0]["MaxAttempts"] == 0
    assert "ResultPath" not in CHANGED["without States.Work.ResultPath"]["States"]["Work"]
    moved = CHANGED['"Done" became "Fail" at States.Found.Default']
    assert moved["States"]["Found"]["Default"] == "Fail"


def test_what_only_a_reader_or_a_clock_sees_stays() -> None:
    assert all(data["Comment"] == "A machine" for data in CHANGED.values())
    assert all(
        data["States"]["Work"]["TimeoutSeconds"] == 5
        for data in CHANGED.values()
        if "Work" in data["States"]
    )


def test_what_the_stub_gives_stays() -> None:
    stub = json.loads(json.dumps(MACHINE))
    stub["States"]["Found"] = "?"
    names = [name for _, name, _ in asl_mutant.changes(MACHINE, stub)]
    assert names
    assert all("Found" in name for name in names)


def test_a_machine_in_a_cell_is_changed_in_its_place() -> None:
    text = json.dumps(MACHINE, indent=2)
    found = mutants(source(f'definition = """{text}"""'), most=1000)
    assert "without States.Work.Catch.1" in named(found)
    for mutant in found:
        space: dict[str, str] = {}
        exec(mutant.code, space)
        assert json.loads(space["definition"]) != MACHINE


# -- the form of a cell ---------------------------------------------------------------------------


def test_a_cells_key_leaves_out_how_it_is_written() -> None:
    one = 'def f(a):\n    """Doc."""\n    # why\n    return {"x":   a}\n\nd = \'{"a": 1}\''
    two = "def f(a):\n    pass\n    return {'x': a}\nd = '{ \"a\":1 }'"
    assert Form.of(one).key == Form.of(two).key
    assert Form.of(one).key != Form.of(two.replace("1", "2")).key
    assert Form.of("%%handler a\nx = 1").key != Form.of("%%handler b\nx = 1").key


def test_json_takes_the_place_of_the_solutions() -> None:
    solved = 'before = 1\ndefinition = """{"a": 1}"""\nafter = 2'
    space: dict[str, object] = {}
    exec(with_json(solved, '{\n "b": "it\'s"\n}'), space)
    assert json.loads(str(space["definition"])) == {"b": "it's"}
    assert (space["before"], space["after"]) == (1, 2)
    assert with_json(solved, "definition = 5") == "definition = 5"


def test_a_name_with_backticks_can_be_listed(tmp_path: Path) -> None:
    name = "'`' became '`_' in: x = '`'"
    (tmp_path / "survivors.md").write_text(f"## 1.1\n\n- {quoted(name)}: why\n", "utf-8")
    assert list(read(tmp_path)["1.1"]) == [name]
