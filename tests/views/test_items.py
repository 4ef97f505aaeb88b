"""A table as the log saw it being written: its items, what changed, and what has expired."""

import xml.etree.ElementTree as ElementTree
from typing import Any

import pytest

from labkit.errors import LabError
from labkit.eventlog import Event, item_copy
from labkit.views.items import CHANGES, COLUMNS, SHOWN, items

NOW = 1_795_000_000.0


def call(seq: int, operation: str, **data: Any) -> Event:
    data = {"service": "dynamodb", "operation": operation, "status": 200, "table": "t", **data}
    return Event(seq, NOW + seq, "aws.call", None, None, data)


def wrote(seq: int, key: str, *, table: str = "t", gone: bool = False, **values: Any) -> Event:
    item = None if gone else {"id": {"S": key}, **values}
    data = {"table": table, "key": {"id": {"S": key}}, "item": item}
    return Event(seq, NOW + seq, "item.changed", None, None, data)


def rows(events: list[Event], now: float = NOW) -> list[list[str]]:
    return [list(row) for row in items(events, "t", now).parts[0].rows]  # type: ignore[attr-defined]


def columns(events: list[Event]) -> list[str]:
    return list(items(events, "t", NOW).parts[0].columns)  # type: ignore[attr-defined]


def tale(events: list[Event]) -> list[list[str]]:
    return [list(row) for row in items(events, "t", NOW).parts[1].rows]  # type: ignore[attr-defined]


def test_items_have_a_row_each_and_the_newest_change_has_a_mark() -> None:
    events = [
        wrote(1, "a", n={"N": "1"}),
        wrote(2, "b", n={"N": "1"}),
        wrote(3, "a", n={"N": "2"}, m={"S": "x"}),
    ]
    assert columns(events) == ["id (partition key)", "Last change", "n", "m"]
    assert rows(events) == [
        ["a", "▶ changed: n, m", "2", "x"],
        ["b", "new", "1", ""],
    ]


def test_a_deleted_item_is_shown_until_the_next_change_and_comes_back_as_new() -> None:
    events = [wrote(1, "a", n={"N": "1"}), wrote(2, "a", gone=True)]
    assert rows(events) == [["a", "▶ ✗ deleted", "1"]]
    assert items(events, "t", NOW).text.startswith("Table t: 0 items\n")
    events.append(wrote(3, "b"))
    assert rows(events) == [["b", "▶ new"]]
    assert rows([*events, wrote(4, "a", n={"N": "5"})])[1] == ["a", "▶ new", "5"]


def test_every_change_is_told_with_what_went_and_what_came() -> None:
    events = [
        wrote(1, "a", status={"S": "ACCEPTED"}),
        wrote(2, "a", status={"S": "DONE"}, result={"M": {"total": {"N": "9.90"}}}),
        wrote(3, "a", status={"S": "DONE"}),
        wrote(4, "a", status={"S": "DONE"}),
        wrote(5, "a", gone=True),
    ]
    assert [row[1:] for row in tale(events)] == [
        ["a", "✗ deleted", ""],
        ["a", "written, nothing changed", ""],
        ["a", "changed: result", 'result: {"total": 9.90} → (none)'],
        [
            "a",
            "changed: status, result",
            'status: ACCEPTED → DONE; result: (none) → {"total": 9.90}',
        ],
        ["a", "new", ""],
    ]
    assert tale(events)[0][0] == "11:06:45.000 UTC"
    assert len(tale([wrote(n, f"{n}") for n in range(1, 20)])) == CHANGES


def test_the_partition_key_comes_first_and_then_the_sort_key() -> None:
    key = {"user": {"S": "u"}, "at": {"N": "7"}}
    data = {"table": "t", "key": key, "item": {"x": {"S": "y"}, "at": {"N": "7"}, **key}}
    events = [Event(1, NOW, "item.changed", None, None, data)]
    assert columns(events) == ["user (partition key)", "at (sort key)", "Last change", "x"]
    assert rows(events) == [["u", "7", "▶ new", "y"]]
    assert [row[1] for row in tale(events)] == ["u / 7"]


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ({"S": '"'}, '"'),
        ({"N": "12345678901234567890.5"}, "12345678901234567890.5"),
        ({"N": "1795000000"}, "1795000000 (2026-11-18 11:06:40 UTC)"),
        ({"N": "1795000000.5"}, "1795000000.5"),
        ({"BOOL": True}, "true"),
        ({"NULL": True}, "null"),
        ({"SS": ["ä", "b"]}, '{"ä", "b"}'),
        ({"NS": ["1", "2"]}, "{1, 2}"),
        ({"L": [{"S": "x"}, {"N": "1"}, {"L": []}]}, '["x", 1, []]'),
        ({"M": {"a": {"M": {}}, "b": {"NULL": True}}}, '{"a": {}, "b": null}'),
        ({"S": "x" * 41}, "x" * 39 + "…"),
    ],
)
def test_values_are_shown_as_one_reads_them(value: dict[str, Any], shown: str) -> None:
    assert rows([wrote(1, "a" * 50, v=value)])[0] == ["a" * 50, "▶ new", shown]


TTL = {"AttributeName": "expiresAt", "Enabled": True}


def test_an_item_whose_time_to_live_is_over_says_so_if_the_table_has_one() -> None:
    over = wrote(2, "a", expiresAt={"N": str(int(NOW) - 185)})
    later = wrote(3, "b", expiresAt={"N": str(int(NOW) + 1)})
    assert "expired" not in " ".join(rows([over, later])[0])
    events = [call(1, "UpdateTimeToLive", ttl=TTL), over, later]
    assert columns(events)[2] == "expiresAt (time to live)"
    first, second = rows(events)
    assert first[2].endswith("✗ expired 3 min ago, may still be read")
    assert "expired" not in second[2]
    assert "✗ expired" in rows(events, NOW + 1)[1][2]
    off = call(4, "UpdateTimeToLive", ttl={**TTL, "Enabled": False})
    assert "expired" not in rows([*events, off])[0][2]
    assert "; expired)" in items(events, "t", NOW).text


@pytest.mark.parametrize(
    ("seconds", "said"), [(5, "5 s"), (3_600, "1 hour"), (7_300, "2 hours"), (90_000, "1 day")]
)
def test_how_long_ago_is_said_roughly(seconds: int, said: str) -> None:
    events = [
        call(1, "UpdateTimeToLive", ttl=TTL),
        wrote(2, "a", expiresAt={"N": str(int(NOW) - seconds)}),
    ]
    assert f"expired {said} ago" in rows(events)[0][2]


def test_attributes_beyond_the_columns_share_one() -> None:
    many = {f"v{n}": {"N": str(n)} for n in range(COLUMNS + 2)}
    assert columns([wrote(1, "a", **many)])[-1] == "Others"
    assert rows([wrote(1, "a", **many)])[0][-1] == "v6: 6; v7: 7"


def test_of_many_items_those_that_changed_last_are_shown() -> None:
    events = [wrote(n, f"k{n}") for n in range(1, SHOWN + 6)]
    events.append(wrote(SHOWN + 6, "k1", x={"S": "y"}))
    shown = rows(events)
    assert len(shown) == SHOWN
    assert shown[0][0] == "k1"
    assert shown[1][0] == "k7"
    assert (
        f"{SHOWN + 5} items (the {SHOWN} that changed last are shown)"
        in items(events, "t", NOW).text
    )


def test_a_table_that_is_made_anew_is_empty_and_others_are_let_alone() -> None:
    events = [wrote(1, "a"), wrote(2, "b", table="u"), call(3, "DeleteTable"), wrote(4, "c")]
    assert [row[0] for row in rows(events)] == ["c"]
    failed = call(5, "DeleteTable", status=400)
    assert [row[0] for row in rows([*events, failed])] == ["c"]


def test_a_cut_item_is_shown_as_far_as_the_log_has_it() -> None:
    item = item_copy({"v": {"L": [{"M": {"n": {"N": "1" * 30}}}] * 900}, "w": {"N": "9" * 38}})
    shown = rows([wrote(1, "a", **item)])
    assert shown[0][2].endswith("…")
    assert shown[0][3].endswith("…")


def test_a_log_that_begins_later_says_so() -> None:
    assert "before the log begins" in items([wrote(9, "a")], "t", NOW).text
    assert "before the log begins" not in items([wrote(1, "a")], "t", NOW).text


def test_the_twin_has_names_and_no_values() -> None:
    assert items([wrote(1, "secret", n={"N": "1"})], "t", NOW).text == (
        "Table t: 1 item\n  id, n (new)\n\n1 change"
    )


def test_a_table_without_items_and_a_name_that_nobody_has() -> None:
    view = items([call(1, "CreateTable")], "t", NOW)
    said = " ".join(ElementTree.fromstring(f"<p>{view.html}</p>").itertext())
    assert "Table t: 0 items: It is empty." in said
    with pytest.raises(LabError, match=r"a table 'orders'\. Tables: 't'"):
        items([call(1, "CreateTable")], "orders", NOW)
    with pytest.raises(LabError, match="none yet"):
        items([], "t", NOW)
