"""``python -m tests.differential``: write docs/differences.md anew."""

from __future__ import annotations

from tests.differential.document import PATH, document

if __name__ == "__main__":
    PATH.write_text(document(), encoding="utf-8")
    print(f"{PATH} is written")
