import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_gives_what_is_stored_in_it(notebook: Path) -> None:
    options = [
        "--nbval",
        "--nbval-current-env",
        "--nbval-cell-timeout=60",
        "-p",
        "no:cacheprovider",
    ]
    command = [sys.executable, "-m", "pytest", "-q", *options, "--override-ini=filterwarnings="]
    run = subprocess.run(
        [*command, str(notebook)], cwd=ROOT, capture_output=True, text=True, timeout=55, check=False
    )
    assert run.returncode == 0, run.stdout + run.stderr


def test_the_first_notebook_is_there() -> None:
    assert NOTEBOOKS[0].name == "00_start_here.ipynb"
