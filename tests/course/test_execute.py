"""Running a notebook in a kernel of its own, and what is stored of its outputs."""

import os
from pathlib import Path
from typing import Any

import nbclient
import nbformat
import pytest
from nbformat import NotebookNode

from labkit.course.execute import environment, execute, stored
from labkit.course.exercise import CourseError
from labkit.course.recording import MEASURED
from labkit.course.substitutions import SUBSTITUTIONS


def notebook(*sources: str | tuple[str, str]) -> NotebookNode:
    """A notebook of code cells; a pair is a source and a tag."""
    pairs = [source if isinstance(source, tuple) else (source, "") for source in sources]
    cells = [
        nbformat.v4.new_code_cell(source, id=f"c-{n}", metadata={"tags": [tag]} if tag else {})
        for n, (source, tag) in enumerate(pairs)
    ]
    made: NotebookNode = nbformat.v4.new_notebook(cells=cells)
    return made


def run(tmp_path: Path, *sources: str | tuple[str, str]) -> list[Any]:
    return list(execute(notebook(*sources), tmp_path, "notebooks/x.ipynb").cells)


def test_a_cell_has_its_count_and_its_output(tmp_path: Path) -> None:
    first, second = run(tmp_path, "x = 20", "x + 1")
    assert (first.execution_count, first.outputs) == (1, [])
    assert second.execution_count == 2
    assert second.outputs[0]["data"] == {"text/plain": "21"}


def test_streams_of_one_name_are_one_and_times_are_not_stored(tmp_path: Path) -> None:
    source = (
        "import sys\nprint(1, flush=True)\nprint(2, file=sys.stderr, flush=True)\nprint('3.5 ms')"
    )
    (cell,) = run(tmp_path, source)
    assert [(output.name, output.text) for output in cell.outputs] == [
        ("stdout", "1\nN ms\n"),
        ("stderr", "2\n"),
    ]
    assert "execution" not in cell.metadata


def test_a_measured_cell_keeps_its_numbers(tmp_path: Path) -> None:
    measured, after = run(tmp_path, ("print('3.5 ms')", MEASURED), "print('3.5 ms')")
    assert measured.outputs[0].text == "3.5 ms\n"
    assert after.outputs[0].text == "N ms\n"


def test_the_working_folder_is_the_notebooks(tmp_path: Path) -> None:
    (cell,) = run(tmp_path, "import os\nos.path.basename(os.getcwd())")
    assert cell.outputs[0]["data"]["text/plain"] == repr(tmp_path.name)


def test_the_work_folder_is_a_new_one_and_no_running_cloud_is_joined(tmp_path: Path) -> None:
    source = "import os\nos.listdir(os.environ['LABKIT_WORK']), os.environ.get('LABKIT_ENDPOINT')"
    (cell,) = run(tmp_path, source)
    assert cell.outputs[0]["data"]["text/plain"] == "([], None)"


def test_a_running_cloud_is_not_passed_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LABKIT_ENDPOINT", "http://127.0.0.1:9")
    assert "LABKIT_ENDPOINT" not in environment(tmp_path)
    assert environment(tmp_path)["PATH"] == os.environ["PATH"]


LIVE = """
from labkit.eventlog import EventLog
from labkit.views.live import Gallery
from labkit.views.picture import Picture

log = EventLog()


def count():
    drawn = f"<svg><text>{len(log)}</text></svg>"
    return Picture(drawn, "How many events there are.", f"{len(log)} events")


view = Gallery().show("count", log, count)
_ = log.append("frame.in")
"""


def test_a_live_view_is_stored_once_as_it_is_at_the_end_of_its_cell(tmp_path: Path) -> None:
    shown, _, frames = run(tmp_path, LIVE, '_ = log.append("frame.in")', "view.frames")
    (output,) = shown.outputs
    assert output.data["text/plain"] == "1 events"
    assert "<img" in output.data["text/html"]
    assert frames.outputs[0].data["text/plain"] == "1"


def test_whoever_runs_a_notebook_otherwise_stores_the_last_picture_of_a_live_view(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("LABKIT_STILL", raising=False)
    more = 'for _ in range(2):\n    log.append("frame.in")'
    made = nbclient.execute(notebook(LIVE, more), cwd=str(tmp_path))
    (output,) = made.cells[0].outputs
    assert output.data["text/plain"] == "3 events"
    assert "<img" in output.data["text/html"], "in the form that a notebook keeps"
    assert made.cells[1].outputs == []


def test_an_error_that_is_meant_to_be_is_stored(tmp_path: Path) -> None:
    failed, after = run(tmp_path, ("1 / 0", "raises-exception"), "'after'")
    assert failed.outputs[0].ename == "ZeroDivisionError"
    assert after.outputs[0]["data"]["text/plain"] == "'after'"


def test_an_error_names_the_notebook_and_shows_the_cell(tmp_path: Path) -> None:
    with pytest.raises(
        CourseError, match=r"notebooks/x\.ipynb: a cell raised ZeroDivision"
    ) as caught:
        run(tmp_path, "a = 0", "1 / a")
    assert "1 / a" in str(caught.value)
    assert "\x1b" not in str(caught.value)


def test_a_cell_that_does_not_end_is_named(tmp_path: Path) -> None:
    with pytest.raises(CourseError, match=r"notebooks/x\.ipynb: .*timed out"):
        execute(
            notebook("import threading\nthreading.Event().wait()"),
            tmp_path,
            "notebooks/x.ipynb",
            seconds=1,
        )


def test_a_kernel_that_dies_is_named(tmp_path: Path) -> None:
    with pytest.raises(CourseError, match=r"notebooks/x\.ipynb: .*died"):
        run(tmp_path, "import os\nos._exit(3)")


def test_what_is_run_stays_as_it_was(tmp_path: Path) -> None:
    given = notebook("1")
    execute(given, tmp_path, "x")
    assert given.cells[0].execution_count is None
    assert "language_info" not in given.metadata


# -- what is stored -------------------------------------------------------------------------------


def display(data: dict[str, str]) -> NotebookNode:
    made: NotebookNode = nbformat.v4.new_output("display_data", data=data)
    return made


def test_a_widget_leaves_its_text() -> None:
    view = {"application/vnd.jupyter.widget-view+json": "{}", "text/plain": "Button()"}
    (output,) = stored([display(view)], SUBSTITUTIONS)
    assert output.data == {"text/plain": "Button()"}


def test_a_widget_without_text_leaves_nothing() -> None:
    assert (
        stored([display({"application/vnd.jupyter.widget-view+json": "{}"})], SUBSTITUTIONS) == []
    )


def test_html_is_substituted_and_pictures_are_not() -> None:
    data = {"text/html": "<b>12.5 ms</b>", "image/png": "12.5 ms"}
    (output,) = stored([display(data)], SUBSTITUTIONS)
    assert output.data == {"text/html": "<b>N ms</b>", "image/png": "12.5 ms"}


def test_the_outputs_given_stay_as_they_were() -> None:
    given = display({"text/plain": "12.5 ms"})
    stored([given], SUBSTITUTIONS)
    assert given.data == {"text/plain": "12.5 ms"}
