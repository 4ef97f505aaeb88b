"""What AWS does, as data: one behaviour a table in the TOML files beside this module.

A behaviour's id is the file's name, its section and its own name: ``websocket.close.idle``.  Its values
are what a test expects; the test reads them, so that a value stands in one place.  Where AWS documents a
value, the file names the page.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent
PAGES = "pages"
"""The file of addresses."""

BROKEN = "broken"
"""The file of rules that are broken on purpose, see :mod:`tests.fidelity.breaking`."""

DOCUMENTED = "documented"
EVIDENCE = (DOCUMENTED, "captured", "tested by others", "our choice", "not verified")
"""How a behaviour is known, the best first."""

WARNING, ERROR, HERE = "cloud.warning", "an error", "this table"
TOLD = (WARNING, ERROR, HERE)
"""How somebody who uses what is not emulated is told."""

_MEMBERS = {"what", "evidence", "pages", "values", "told"}


@dataclass(frozen=True, slots=True)
class Page:
    """A page of documentation."""

    title: str
    address: str


@dataclass(frozen=True, slots=True)
class Behaviour:
    """Something that AWS does, or that the local cloud does in its place.

    Attributes:
        id: ``file.section.name``.
        text: a sentence; a name in braces stands for the value of that name.
        evidence: how it is known, see :data:`EVIDENCE`.
        pages: where AWS documents it.
        values: what tests expect.
        told: how its user is told that it is not emulated; ``None`` if it is implemented.
    """

    id: str
    text: str
    evidence: tuple[str, ...]
    pages: tuple[Page, ...] = ()
    values: Mapping[str, Any] = ()  # type: ignore[assignment]
    told: str | None = None

    @property
    def needs_test(self) -> bool:
        """Whether a test must name it: always, unless nothing shows that it is used."""
        return self.told != HERE

    def sentence(self) -> str:
        """The text with its values, in Markdown."""
        return self.text.format(**{name: shown(value) for name, value in self.values.items()})


@dataclass(frozen=True, slots=True)
class Subject:
    """A file of behaviours: its title, and its sections by their titles."""

    title: str
    sections: Mapping[str, tuple[Behaviour, ...]]


def shown(value: Any) -> str:
    """A value as it stands in a sentence."""
    if isinstance(value, list):
        return ", ".join(shown(each) for each in value)
    if isinstance(value, bool) or value == "":
        return {True: "`true`", False: "`false`", "": "an empty string"}[value]
    return f"{value:,}" if isinstance(value, int) and value > 9_999 else _code(value)


def _code(value: Any) -> str:
    return str(value) if isinstance(value, int | float) else f"`{value}`"


def subjects(folder: Path = FOLDER) -> list[Subject]:
    """All behaviours, in the order of the files' own numbers.

    Raises:
        ValueError: a file does not say what it must; the message names the place.
    """
    pages = _pages(folder / f"{PAGES}.toml")
    files = [path for path in folder.glob("*.toml") if path.stem not in (PAGES, BROKEN)]
    read = {path.stem: tomllib.loads(path.read_text("utf-8")) for path in files}
    order = sorted(read, key=lambda stem: read[stem]["order"])
    return [_subject(stem, read[stem], pages) for stem in order]


def behaviours(folder: Path = FOLDER) -> dict[str, Behaviour]:
    """All behaviours by their ids."""
    found = (
        behaviour
        for subject in subjects(folder)
        for section in subject.sections.values()
        for behaviour in section
    )
    return {behaviour.id: behaviour for behaviour in found}


def _pages(path: Path) -> dict[str, Page]:
    raw = tomllib.loads(path.read_text("utf-8"))
    return {
        name: Page(title, raw["folders"][folder] + address)
        for folder, named in raw.items()
        if folder != "folders"
        for name, (title, address) in named.items()
    }


def _subject(stem: str, raw: Mapping[str, Any], pages: Mapping[str, Page]) -> Subject:
    sections = {
        section["title"]: tuple(
            _behaviour(f"{stem}.{key}.{name}", members, pages)
            for name, members in section.items()
            if name != "title"
        )
        for key, section in raw.items()
        if isinstance(section, dict)
    }
    return Subject(raw["title"], sections)


def _behaviour(key: str, raw: Mapping[str, Any], pages: Mapping[str, Page]) -> Behaviour:
    if surplus := raw.keys() - _MEMBERS:
        raise ValueError(f"{key} has members that nothing reads: {', '.join(sorted(surplus))}")
    evidence = raw.get("evidence", DOCUMENTED)
    evidence = (evidence,) if isinstance(evidence, str) else tuple(evidence)
    if unknown := set(evidence) - set(EVIDENCE):
        raise ValueError(f"{key} has evidence of an unknown kind: {', '.join(sorted(unknown))}")
    if (DOCUMENTED in evidence) != bool(raw.get("pages")):
        raise ValueError(f"{key} is documented and names no page, or the other way round")
    if raw.get("told") not in (None, *TOLD):
        raise ValueError(f"{key} tells its user by {raw['told']!r}; it may be one of {TOLD}")
    made = Behaviour(
        key,
        raw["what"],
        evidence,
        tuple(pages[name] for name in raw.get("pages", ())),
        raw.get("values", {}),
        raw.get("told"),
    )
    _check_values_are_told(made)
    return made


def _check_values_are_told(behaviour: Behaviour) -> None:
    """Each value stands in the sentence, and the sentence names no other."""
    for name in behaviour.values:
        marked = replace(behaviour, values={**behaviour.values, name: "\0"})
        if "\0" not in marked.sentence():
            raise ValueError(f"{behaviour.id} has a value {name!r} that its text does not tell")
    behaviour.sentence()


def mutants(value: Any) -> Iterator[Any]:
    """Values that differ from one in one place."""
    if isinstance(value, bool):
        yield not value
    elif isinstance(value, int | float):
        yield value + 1
    elif isinstance(value, str):
        yield f"{value}?"
    elif isinstance(value, list):
        for place, each in enumerate(value):
            for mutant in mutants(each):
                yield [*value[:place], mutant, *value[place + 1 :]]
        yield value[:-1]
    else:
        raise TypeError(f"{value!r} is no value of a behaviour")
