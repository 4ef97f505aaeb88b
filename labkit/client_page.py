"""The files of the browser client, as a browser gets them from the local cloud.

They lie beside the reference implementation and do not know who serves them; on AWS they would lie in a
bucket of S3.  They are read anew for each request, so a change is seen when the page is loaded again.
"""

from __future__ import annotations

from pathlib import Path

FOLDER = Path(__file__).parent / "pattern" / "page"
FIRST = "index.html"

_TYPES = {".html": "text/html", ".css": "text/css", ".js": "text/javascript"}


def page_file(name: str) -> tuple[bytes, str] | None:
    """A file of the page.

    Args:
        name: the file's name; the page itself if empty.

    Returns:
        Its content and its media type, or ``None`` if the page has no such file.
    """
    for path in FOLDER.iterdir():  # a name is looked up and never joined to a path
        if path.name == (name or FIRST) and path.suffix in _TYPES:
            return path.read_bytes(), _TYPES[path.suffix]
    return None
