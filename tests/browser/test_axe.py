"""axe-core finds what it is there to find, in what cells show and nowhere else."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page

from tests.browser.axe import complaints

pytestmark = pytest.mark.browser

BAD = (
    '<img src="data:image/gif;base64,R0lGODlhAQABAAAAACw="><p style="color: #999">grey on white</p>'
)
GOOD = "<p>black on white</p>"


def found(page: Page, output: str, elsewhere: str) -> set[str]:
    page.set_content(
        f'<html lang="en"><title>A page</title>{elsewhere}'
        f'<div class="jp-OutputArea-output">{output}</div></html>'
    )
    return {complaint.partition(":")[0] for complaint in complaints(page)}


def test_what_cannot_be_read_or_reached_is_found(page: Page) -> None:
    assert found(page, BAD, GOOD) == {"image-alt", "color-contrast"}


def test_the_rest_of_the_page_is_not_looked_at(page: Page) -> None:
    assert found(page, GOOD, BAD) == set()


def test_a_page_without_outputs_is_not_taken_for_one_without_faults(page: Page) -> None:
    page.set_content(GOOD)
    with pytest.raises(AssertionError, match="Nothing here"):
        complaints(page)
