"""What the answers of an exercise must be, which no check needs to run for.  No I/O."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from labkit.course.exercise import Exercise
from labkit.course.proof.form import Form
from labkit.course.proof.trial import Fate, Trial
from labkit.course.source import ExerciseSource, place

WRONG = 5
"""At least so many wrong answers, each a mistake that people really make."""

DIAGNOSES = 3
"""At least so many different diagnoses among them."""

RIGHT = 2
"""At least so many right answers, which differ from the solution and from each other."""


def shortfalls(
    exercise: Exercise, source: ExerciseSource, trials: Iterable[Trial]
) -> Iterator[str]:
    """What an exercise's answers lack.

    Args:
        exercise: the exercise.
        source: as its source has it.
        trials: all of it.
    """
    here = place(source.path, source.line)
    forms: dict[str, str] = {}
    counted: dict[Fate, list[Trial]] = {fate: [] for fate in Fate}
    for trial in trials:
        counted[trial.fate].append(trial)
        try:
            form = Form.of(trial.code)
        except SyntaxError as error:
            yield f"{trial.where}: {trial.what}: no Python: {error.msg}. Give an answer that runs."
            continue
        if trial.fate is Fate.WRONG and form.is_empty:
            yield f"{trial.where}: {trial.what}: it does nothing. Give a mistake that people make."
        twin = forms.setdefault(form.key, trial.where)
        if twin != trial.where:
            yield f"{trial.where}: {trial.what}: the same as {twin}. Give another answer."
    wrong, right = counted[Fate.WRONG], counted[Fate.RIGHT][1:]
    if len(wrong) < WRONG:
        yield f"{here}: {len(wrong)} wrong answers; at least {WRONG} are needed."
    if len(right) < RIGHT:
        yield f"{here}: {len(right)} right answers beside the solution; at least {RIGHT} are needed."
    given = {trial.diagnosis for trial in wrong}
    if "NOTHING_YET" in given:
        yield f"{here}: NOTHING_YET is for the stub, not for a wrong answer. Answer something."
    if len(given) < DIAGNOSES:
        yield f"{here}: {len(given)} different diagnoses; at least {DIAGNOSES} are needed."
    missed = [code for code in exercise.diagnoses if code not in given]
    if missed:
        yield (
            f"{here}: no wrong answer gets {', '.join(missed)}. Give one that does, or take the "
            "diagnosis out of checks.py."
        )
