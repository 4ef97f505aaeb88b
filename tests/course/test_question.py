"""Questions: what is right, what is said to what is wrong, and what a lesson may not ask."""

import pytest

from labkit.course.exercise import CourseError
from labkit.course.question import Blanks, Choice, blanks, choice, choices


def sockets(**changes: object) -> Blanks:
    settings: dict[str, object] = {
        "answers": (("client", "browser"), ("server", "web server")),
        "wrong": {"router": "It forwards packets."},
        "otherwise": "Who asks, and who answers?",
        "why": "One asks, one answers.",
    }
    return blanks("q1.1", "Between a ___ and a ___.", **{**settings, **changes})  # type: ignore[arg-type]


def route(**changes: object) -> Choice:
    settings: dict[str, object] = {
        "right": "b",
        "reasons": {"a": "It runs once.", "c": "There is none."},
        "why": "So it is.",
    }
    options = {"a": "`$connect`", "b": "`$default`", "c": "`$error`"}
    return choice("q1.2", "Which?", options, **{**settings, **changes})  # type: ignore[arg-type]


def primes(**changes: object) -> Choice:
    settings: dict[str, object] = {
        "right": ("d", "a", "b"),
        "reasons": {"c": "4 is 2 times 2."},
        "missing": {"a": "2 has two divisors.", "b": "3 too.", "d": "5 too."},
        "why": "They have two divisors.",
    }
    options = {"a": "2", "b": "3", "c": "4", "d": "5"}
    return choices("q1.3", "Which are prime?", options, **{**settings, **changes})  # type: ignore[arg-type]


# -- blanks ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "given",
    [
        ["client", "server"],
        [" Browser", "SERVER."],
        ["`client`", "WebServer"],
        ["client, server"],
    ],
)
def test_case_spaces_and_quotes_do_not_count(given: list[str]) -> None:
    question = sockets()
    mark = question.mark(question.read(given))
    assert (mark.right, mark.why) == (True, ("One asks, one answers.",))


def test_each_wrong_text_gets_its_reason_and_its_gap() -> None:
    assert sockets().mark(["Router", "phone"]).why == (
        "“Router” in gap 1: It forwards packets.",
        "“phone” in gap 2: Who asks, and who answers?",
    )


def test_a_reason_that_fits_two_gaps_is_said_once() -> None:
    assert sockets().mark(["cat", "dog"]).why == (
        "“cat” in gap 1, “dog” in gap 2: Who asks, and who answers?",
    )


def test_words_may_change_places_where_the_question_says_so() -> None:
    assert not sockets().mark(["server", "client"]).right
    either = sockets(any_order=True)
    assert either.mark(["server", "browser"]).right
    assert not either.mark(["server", "server"]).right
    assert not either.mark(["client", "browser"]).right


@pytest.mark.parametrize("given", [["client"], ["client", " "], ["a", "b", "c"], [], ["a,b,c"]])
def test_a_gap_without_a_word_is_no_answer(given: list[str]) -> None:
    with pytest.raises(CourseError, match=r'2 gaps.*answer\("q1\.1", "…", "…"\)'):
        sockets().read(given)


def test_a_single_gap_may_hold_a_comma() -> None:
    question = blanks(
        "q2.1",
        "Say ___.",
        answers=["yes, please"],
        wrong={"no": "Be kind."},
        otherwise="Hm.",
        why="Kind.",
    )
    assert question.mark(question.read(["Yes, please"])).right


# -- options --------------------------------------------------------------------------------------


@pytest.mark.parametrize("given", [["b"], ["B"], [" b) "]])
def test_the_right_letter_is_right(given: list[str]) -> None:
    question = route()
    mark = question.mark(question.read(given))
    assert (mark.right, mark.why) == (True, ("So it is.",))


def test_the_wrong_letter_gets_its_reason() -> None:
    assert route().mark(["c"]).why == ("c: There is none.",)


@pytest.mark.parametrize(
    ("given", "said"),
    [(["d"], "has no option d. It has a, b, c"), (["a", "b"], "takes one letter"), ([], "one")],
)
def test_what_is_no_option_is_no_answer(given: list[str], said: str) -> None:
    with pytest.raises(CourseError, match=said):
        route().read(given)


@pytest.mark.parametrize("given", [["a", "b", "d"], ["d", "b", "a"], ["abd"], ["A, D, B"]])
def test_several_letters_in_any_form(given: list[str]) -> None:
    question = primes()
    assert question.read(given) == ("a", "b", "d")
    assert question.mark(question.read(given)).why == ("They have two divisors.",)


def test_wrong_letters_are_told_all_and_missing_ones_one_at_a_time() -> None:
    assert primes().mark(["a", "c"]).why == (
        "c: 4 is 2 times 2.",
        "b belongs to it: 3 too.",
        "1 more option is missing.",
    )
    assert primes().mark(["a", "b"]).why == ("d belongs to it: 5 too.",)


def test_how_to_answer_does_not_depend_on_what_is_right() -> None:
    assert route(right="b").call == 'answer("q1.2", "a"), with the letter of your choice'
    assert primes().call == 'answer("q1.3", "a", "b"), with all letters of your choice'


# -- what a lesson may not ask --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"answers": (("client",),)}, "2 gaps, and `answers` 1"),
        ({"answers": (("client",), ())}, "each gap must accept a text"),
        ({"answers": (("client",), (" ",))}, "each gap must accept a text"),
        ({"answers": (("x", "y"), ("y",)), "wrong": {"Y": "no"}}, "'Y' is both right and wrong"),
        ({"wrong": {"router": ""}}, "'router' needs a reason"),
        ({"wrong": {}}, "`wrong` must have a reason"),
        ({"otherwise": " "}, "`otherwise` must have a reason"),
        ({"why": ""}, "`why` must say"),
    ],
)
def test_malformed_blanks_are_refused(changes: dict[str, object], fault: str) -> None:
    with pytest.raises(CourseError) as refused:
        sockets(**changes)
    assert str(refused.value).startswith("Question q1.1: ")
    assert fault in str(refused.value)


def test_a_word_may_be_right_in_one_gap_and_wrong_in_another() -> None:
    mark = sockets(wrong={"server": "It answers."}).mark(["server", "server"])
    assert mark.why == ("“server” in gap 1: It answers.",)


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"right": "e"}, "'e' is right and no option"),
        ({"reasons": {"a": "It runs once."}}, "`reasons` must have a sentence for c"),
        ({"reasons": {"a": "x", "b": "y", "c": "z"}}, "`reasons` has b, which is not wrong"),
    ],
)
def test_a_wrong_option_without_reason_is_refused(changes: dict[str, object], fault: str) -> None:
    with pytest.raises(CourseError) as refused:
        route(**changes)
    assert fault in str(refused.value)


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"right": ()}, "it needs a right option"),
        ({"right": ("a", "b", "c", "d")}, "it needs a wrong option"),
        ({"missing": {"a": "x", "b": "y"}}, "`missing` must have a sentence for d"),
        ({"missing": dict.fromkeys("abcd", "x")}, "`missing` has c, which is not right"),
    ],
)
def test_several_right_options_need_reasons_too(changes: dict[str, object], fault: str) -> None:
    with pytest.raises(CourseError) as refused:
        primes(**changes)
    assert fault in str(refused.value)


def test_all_faults_are_told_at_once() -> None:
    with pytest.raises(CourseError) as refused:
        choice("1.2", " ", {"b": "x", "a": ""}, right="b", reasons={}, why="")
    for fault in ("'q1.2'", "a text", "in this order", "option a needs a text", "for a", "`why`"):
        assert fault in str(refused.value)
