#!/usr/bin/env python3
"""Install what `labkit bench --peers` and the differential tests compare with, in a folder of its own.

    python bench/peers/install.py FOLDER

FOLDER lies outside of this checkout.  Afterwards it holds ``ministack/``, a virtual environment, and
``serverless/``, where Node's packages lie; without Node the first alone.  Versions are pinned, with
their hashes.  Running it again installs what is missing; to be rid of it, delete the folder.
"""

import shutil
import subprocess
import sys
import venv
from pathlib import Path

HERE = Path(__file__).resolve().parent
CHECKOUT = HERE.parent.parent


def install_ministack(folder: Path) -> None:
    """Make the virtual environment, and install what ``ministack.txt`` pins."""
    print(f"ministack, into {folder}", flush=True)
    builder = venv.EnvBuilder(with_pip=True)
    context = builder.ensure_directories(folder)
    if not Path(context.env_exe).exists():
        builder.create(folder)
    pip = [context.env_exe, "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
    subprocess.run([*pip, "--require-hashes", "-r", str(HERE / "ministack.txt")], check=True)


def install_serverless(folder: Path) -> None:
    """Install what ``package-lock.json`` pins."""
    npm = shutil.which("npm")
    if npm is None or shutil.which("node") is None:
        print("serverless-offline is left out: it needs Node 20 or later with npm on the PATH.")
        return
    print(f"serverless-offline, into {folder}", flush=True)
    folder.mkdir(exist_ok=True)
    for name in ("package.json", "package-lock.json"):
        shutil.copyfile(HERE / "serverless" / name, folder / name)
    subprocess.run(
        [npm, "ci", "--no-audit", "--no-fund", "--loglevel=error"], cwd=folder, check=True
    )


def main() -> int:
    """Install all of it; 0, or 1 with a sentence that says why not."""
    if len(sys.argv) != 2:
        print("usage: python bench/peers/install.py FOLDER", file=sys.stderr)
        return 2
    folder = Path(sys.argv[1]).resolve()
    if folder.is_relative_to(CHECKOUT):
        print(f"{folder} lies in the checkout; name a folder outside of it.", file=sys.stderr)
        return 2
    folder.mkdir(parents=True, exist_ok=True)
    try:
        install_ministack(folder / "ministack")
        install_serverless(folder / "serverless")
    except subprocess.CalledProcessError as error:
        print(f"{error.cmd[0]} failed; what it printed above says why.", file=sys.stderr)
        return 1
    print(f"Done. Measure with: python lab.py bench --peers {folder}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
