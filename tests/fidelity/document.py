"""``docs/fidelity.md``: all behaviours with their evidence and the tests that prove them."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence

from tests.fidelity.behaviours import ERROR, EVIDENCE, HERE, WARNING, Behaviour, Subject
from tests.fidelity.claims import TESTS, Claim

PATH = TESTS.parent / "docs" / "fidelity.md"

HEAD = """\
# Fidelity

What the local cloud does as AWS does it, how that is known, and which test proves it. What it does not emulate stands at the end of each section, with what you see when you use it.

This page is made of the tests: `python -m tests.fidelity` writes it. The behaviours and their values (statuses, close codes, texts, limits) are data, `tests/fidelity/*.toml`, and tests read what they expect from there. `python -m tests.fidelity --mutate` changes each value and sees a test fail; `python -m tests.fidelity --break` breaks each rule that has no value in a copy of the package, and sees a test fail.

| evidence | means |
|---|---|
| documented | AWS's documentation says so, or a standard that it follows; the page is linked |
| captured | an answer or an event of AWS was published that shows it |
| tested by others | somebody else's tests that were run on AWS show it |
| our choice | AWS documents nothing, or there is no such thing on AWS; this is what seemed best |
| not verified | likely, and nobody here has seen it on AWS |
"""

_TOLD = {
    WARNING: "`cloud.warning`",
    ERROR: "an error that says so",
    HERE: "nothing: nobody meets it here",
}


def document(subjects: Sequence[Subject], claims: Iterable[Claim]) -> str:
    """The page.

    Args:
        subjects: all behaviours.
        claims: which test proves which.
    """
    proven: dict[str, list[Claim]] = defaultdict(list)
    for claim in claims:
        proven[claim.behaviour].append(claim)
    return "\n".join([HEAD, *_counts(subjects), *_body(subjects, proven)])


def _counts(subjects: Sequence[Subject]) -> Iterator[str]:
    every = [each for subject in subjects for part in subject.sections.values() for each in part]
    here = [each for each in every if each.told is None]
    by = Counter(each.evidence[0] for each in here)
    kinds = ", ".join(f"{by[kind]} {kind}" for kind in EVIDENCE if by[kind])
    yield f"{len(here)} behaviours are implemented: {kinds}. {len(every) - len(here)} are not emulated."
    yield ""


def _body(subjects: Sequence[Subject], proven: Mapping[str, list[Claim]]) -> Iterator[str]:
    for subject in subjects:
        yield f"## {subject.title}"
        yield ""
        for title, section in subject.sections.items():
            yield f"### {title}"
            yield ""
            yield from _table([each for each in section if each.told is None], proven)
            yield from _not_emulated([each for each in section if each.told is not None], proven)


def _table(section: Sequence[Behaviour], proven: Mapping[str, list[Claim]]) -> Iterator[str]:
    if not section:
        return
    yield "| behaviour | evidence | test |"
    yield "|---|---|---|"
    for each in section:
        yield f"| {_cell(each.sentence())} | {_evidence(each)} | {_tests(proven[each.id])} |"
    yield ""


def _not_emulated(section: Sequence[Behaviour], proven: Mapping[str, list[Claim]]) -> Iterator[str]:
    if not section:
        return
    yield "| not emulated | whoever uses it gets | test |"
    yield "|---|---|---|"
    for each in section:
        told = _TOLD[each.told or HERE]
        yield f"| {_cell(each.sentence())} | {told} | {_tests(proven[each.id])} |"
    yield ""


def _evidence(behaviour: Behaviour) -> str:
    links = ", ".join(f"[{page.title}]({page.address})" for page in behaviour.pages)
    return ", ".join(
        f"documented: {links}" if kind == "documented" else kind for kind in behaviour.evidence
    )


def _tests(claims: Sequence[Claim]) -> str:
    return "<br>".join(f"[{_words(claim.test)}](../tests/{claim.file})" for claim in claims)


def _words(test: str) -> str:
    return test.removeprefix("test_").replace("_", " ")


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
