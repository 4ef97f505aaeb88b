"""``python -m tests.fidelity``: write docs/fidelity.md anew.

With ``--mutate`` it changes each value of each behaviour instead, and sees a test fail; with
``--break`` it breaks each rule that has no values in a copy of the package, and sees a test fail.
Files of tests behind ``--mutate``, ids of behaviours behind ``--break`` make a run shorter.
"""

from __future__ import annotations

import sys

import pytest

from tests.fidelity.behaviours import subjects
from tests.fidelity.breaking import breaks, survivors
from tests.fidelity.claims import claims
from tests.fidelity.document import PATH, document


def main(arguments: list[str]) -> int:
    """Run the command; its exit status."""
    match arguments:
        case []:
            PATH.write_text(document(subjects(), claims()), encoding="utf-8")
            print(f"{PATH} is written")
            return 0
        case ["--mutate", *files]:
            return mutate(files)
        case ["--break", *ids]:
            return break_rules(ids)
    print(__doc__, file=sys.stderr)
    return 2


def mutate(files: list[str]) -> int:
    """Change each value that these files read, all of them without any."""
    files = files or sorted({f"tests/{claim.file}" for claim in claims()})
    # A test that fails half-way leaves open what it would have closed.
    open_ = ("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
    quiet = [option for warning in open_ for option in ("-W", warning)]
    return pytest.main(["-q", "-p", "no:cacheprovider", *quiet, "--mutate-values", *files])


def break_rules(ids: list[str]) -> int:
    """Break the rules of these behaviours, all of them without any."""
    chosen = [each for each in breaks() if not ids or each.behaviour in ids]
    noticed = 0
    for each, wrong in survivors(chosen, claims()):
        noticed += not wrong
        print(f"{each.behaviour}: {wrong or 'noticed'}", flush=True)
    print(f"{noticed} of {len(chosen)} broken rules were noticed")
    return int(not chosen or noticed < len(chosen))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
