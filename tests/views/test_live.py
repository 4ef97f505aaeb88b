"""A live view follows the log from a thread, ends in a form that lasts, and costs little."""

import threading
from typing import Any

from labkit.eventlog import EventLog
from labkit.views.live import Live
from labkit.views.picture import Picture
from labkit.views.view import Page, Table, View


class Screen:
    """A display that keeps what it was given; it says when a frame has come."""

    def __init__(self) -> None:
        self.frames: list[dict[str, str]] = []
        self._changed = threading.Condition()

    def display(self, obj: Any, **_: Any) -> None:
        assert not self.frames, "a second display"
        self._add(obj)

    def update(self, obj: Any, **_: Any) -> None:
        assert self.frames, "an update of nothing"
        self._add(obj)

    def _add(self, frame: dict[str, str]) -> None:
        with self._changed:
            self.frames.append(frame)
            self._changed.notify_all()

    def wait_for(self, text: str, html: str = "") -> dict[str, str]:
        def there() -> list[dict[str, str]]:
            return [f for f in self.frames if f["text/plain"] == text and html in f["text/html"]]

        with self._changed:
            assert self._changed.wait_for(there, timeout=10), (text, html, self.frames)
        return there()[-1]

    def is_quiet(self, seconds: float) -> bool:
        """Whether no frame comes for so long."""
        with self._changed:
            there = len(self.frames)
            return not self._changed.wait_for(lambda: len(self.frames) > there, seconds)


def counted(log: EventLog) -> Picture:
    count = str(len(log))
    return Picture(
        f'<svg width="9" height="9"><text>{count}</text></svg>', f"{count} events", count
    )


def test_it_shows_what_is_there_then_follows_and_ends_in_an_image() -> None:
    log, screen = EventLog(), Screen()
    log.append("frame.in")
    with Live(log, lambda: counted(log), screen):
        assert screen.frames[0]["text/plain"] == "1"
        threading.Thread(target=lambda: log.append("frame.in")).start()
        screen.wait_for("2", "<svg")
        screen.wait_for("2", "<img")
        log.append("frame.in")
    assert screen.frames[-1]["text/plain"] == "3"
    assert "<img" in screen.frames[-1]["text/html"]


def test_nothing_new_shows_no_frame_and_nothing_is_shown_after_the_end() -> None:
    log, screen = EventLog(), Screen()
    live = Live(log, lambda: counted(log), screen)
    live.settle()
    live.settle()
    live.close()
    live.close()
    log.append("frame.in")
    live.settle()
    assert len(screen.frames) == 1


def test_still_it_is_shown_once_with_all_that_happened() -> None:
    log, screen = EventLog(), Screen()
    live = Live(log, lambda: counted(log), screen, still=True)
    log.append("frame.in")
    assert screen.frames == []
    live.settle()  # the end of its cell
    log.append("frame.in")
    live.settle()  # the end of another
    live.close()
    assert [frame["text/plain"] for frame in screen.frames] == ["1"]


def test_a_drawing_that_fails_is_in_the_log_and_raises_nowhere() -> None:
    log, screen = EventLog(), Screen()

    def draw() -> View:
        if len(log):
            raise KeyError("gone")
        return counted(log)

    live = Live(log, draw, screen)
    log.append("frame.in")
    failed = log.wait(lambda event: event.kind == "cloud.error")
    assert "KeyError" in failed["message"]
    live.close()
    assert len(screen.frames) == 1


def test_a_costly_drawing_is_drawn_the_more_rarely() -> None:
    """The clock says that each frame takes 30 ms of work: 3 % of a core is one frame a second."""
    log, screen = EventLog(), Screen()
    now = iter(range(10_000))
    with Live(log, lambda: counted(log), screen, clock=lambda: next(now) * 0.030):
        for count in ("1", "2"):
            log.append("frame.in")
            assert screen.is_quiet(0.5)
            screen.wait_for(count, "<svg")


def test_views_tell_their_words_and_a_page_has_all_of_them() -> None:
    table = Table("Items", ("key", "value"), [("<a>", "1")], "<a>: 1")
    page = Page.of([counted(EventLog()), table])
    assert str(page) == "0\n\n<a>: 1"
    assert "&lt;a&gt;" in page.html
    assert "<img" in page.html
    assert "<img" not in page.moving
    assert "Nothing yet." in Table("Items", ("key",), [], "").html
