"""``python -m tests.fidelity``: write docs/fidelity.md anew.

python -m tests.fidelity            write the page
python -m tests.fidelity --mutate   change each value of each behaviour, and see a test fail
python -m tests.fidelity --mutate tests/apigateway/test_routes.py
                                    the same for the values that these tests read
"""

from __future__ import annotations

import sys

import pytest

from tests.fidelity.behaviours import subjects
from tests.fidelity.claims import claims
from tests.fidelity.document import PATH, document


def main(arguments: list[str]) -> int:
    """Run the command; its exit status."""
    if arguments[:1] == ["--mutate"]:
        files = arguments[1:] or sorted({f"tests/{claim.file}" for claim in claims()})
        # A test that fails half-way leaves open what it would have closed.
        quiet = [
            "-W",
            "ignore::ResourceWarning",
            "-W",
            "ignore::pytest.PytestUnraisableExceptionWarning",
        ]
        return pytest.main(["-q", "-p", "no:cacheprovider", *quiet, "--mutate-values", *files])
    if arguments:
        print(__doc__, file=sys.stderr)
        return 2
    PATH.write_text(document(subjects(), claims()), encoding="utf-8")
    print(f"{PATH} is written")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
