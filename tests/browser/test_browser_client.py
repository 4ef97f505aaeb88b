"""The pattern's client as a web page, in a real browser: it does what ``client.py`` does."""

from __future__ import annotations

import http.server
import json
import re
import threading
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any
from urllib.parse import urlsplit

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from labkit import Lab
from labkit.client_page import FOLDER
from labkit.pattern import client as python_client
from labkit.pattern.build import System, build
from labkit.views.browser_client import BrowserClient
from tests.browser.axe import complaints
from tests.browser.conftest import OpenNotebook
from tests.browser.notebook import ARTIFACTS
from tests.browser.server import Server

pytestmark = [pytest.mark.browser, pytest.mark.timeout(120)]

WORK = 1.0
"""Seconds that the work waits, where something is to happen meanwhile."""


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with Lab.start() as lab:
        yield lab


@pytest.fixture(scope="module")
def system(lab: Lab) -> System:
    return build()


@pytest.fixture(autouse=True)
def no_fault_is_left(lab: Lab) -> Iterator[None]:
    yield
    lab.faults.clear()


@pytest.fixture
def address(lab: Lab, system: System) -> str:
    view = lab.browser_client(system.orders_url)
    assert isinstance(view, BrowserClient)
    return view.address


def through(server: Server, address: str) -> str:
    """The address by way of JupyterLab's proxy."""
    parts = urlsplit(address)
    return f"{server.url}/proxy/{parts.port}{parts.path}?{parts.query}"


def order(page: Page, **quantities: int) -> None:
    """Fill in the form and send it; articles that are not named keep their quantity."""
    for name, quantity in quantities.items():
        page.get_by_label(name.replace("_", " ").capitalize()).fill(str(quantity))
    page.get_by_role("button", name="Place order").click()


def says(page: Page, words: str | re.Pattern[str]) -> None:
    """Wait until the page says so; functions start on a machine that may be busy."""
    expect(page.get_by_role("status")).to_have_text(words, timeout=30_000)


def shown(page: Page) -> list[int]:
    """The sequence numbers of the messages that are shown."""
    lines = page.get_by_role("log").get_by_role("listitem").all_inner_texts()
    return [int(line.partition(" ")[0]) for line in lines]


def count(page: Page, what: str) -> int:
    term = page.locator("dt", has_text=what)
    return int(term.locator("xpath=following-sibling::dd").inner_text())


def result(page: Page) -> dict[str, Any]:
    body: dict[str, Any] = json.loads(page.locator("#result-text").inner_text())
    return body


LINKS = """
from labkit import Lab
from labkit.pattern.build import build

lab = Lab.start()
lab.browser_client(build().orders_url)
"""

ACCEPTED = "The result is here: accepted, 23.05 EUR."
"""Two of 8.90 and one of 5.25: what the form holds at first."""


def listening(lab: Lab, after: int) -> str:
    """Wait until a client has subscribed; its connection's id."""
    handled = lab.log.wait(lambda event: event.kind == "message.handled", after=after, timeout=30)
    return str(handled["connection"])


# -- orders ---------------------------------------------------------------------------------------


def test_an_order_gets_its_result(page: Page, address: str) -> None:
    page.goto(address)
    order(page)
    says(page, ACCEPTED)
    assert result(page)["status"] == "accepted"
    assert [(line["sku"], line["quantity"]) for line in result(page)["lines"]] == [
        ("tea-green-100", 2),
        ("cup-glass-02", 1),
    ]
    assert count(page, "Connections") == 1


def test_progress_is_shown_as_it_comes(page: Page, lab: Lab, system: System, address: str) -> None:
    lab.faults.delay_function(system.functions["do_work"], WORK)
    page.goto(address)
    order(page)
    says(page, ACCEPTED)
    assert page.get_by_role("log").get_by_role("listitem").all_inner_texts() == [
        "1 progress: step priced, total 23.05",
        "2 progress: step reserved, articles 2",
        f"3 result: status accepted, orderId {result(page)['orderId']}, currency EUR, total 23.05",
    ]


def test_a_rejected_order_is_a_result_and_says_why(page: Page, address: str) -> None:
    page.goto(address)
    order(page, bamboo_whisk=2)
    says(page, "The result is here: rejected (out of stock: whisk-bamboo).")


def test_a_refused_order_is_said_to_be_and_can_be_corrected(page: Page, address: str) -> None:
    page.goto(address)
    order(page, green_tea=0, tea_glass=0)
    expect(page.get_by_role("alert")).to_have_text(
        "The shop refuses this order (400): items: must be a list with at least one line."
    )
    order(page, green_tea=1)
    says(page, "The result is here: accepted, 8.90 EUR.")
    expect(page.get_by_role("alert")).to_be_empty()


@pytest.mark.parametrize("body", ["Hello", '{"orderId": "o"}', "null"])
def test_an_answer_that_is_none_of_the_pattern_says_what_it_should_be(
    page: Page, address: str, body: str
) -> None:
    page.route(
        lambda url: urlsplit(url).path.endswith("/orders"),
        lambda route: route.fulfill(status=200, body=body),
    )
    page.goto(address)
    order(page)
    expect(page.get_by_role("alert")).to_contain_text("JSON with orderId, executionArn and")
    expect(page.get_by_role("button", name="Place order")).to_be_enabled()


def test_one_order_is_placed_however_often_the_button_is_pressed(
    page: Page, lab: Lab, system: System, address: str
) -> None:
    lab.faults.delay_function(system.functions["do_work"], WORK)
    page.goto(address)
    before = lab.log.last
    page.get_by_role("button", name="Place order").dblclick()
    says(page, ACCEPTED)
    assert [e.kind for e in lab.log.after(before)].count("execution.started") == 1


def test_an_order_is_placed_by_keyboard(page: Page, address: str) -> None:
    page.goto(address)
    page.keyboard.press("Tab")
    expect(page.get_by_label("Customer")).to_be_focused()
    page.keyboard.press("Tab")
    expect(page.get_by_label("Green tea")).to_be_focused()
    page.keyboard.type("3")
    page.keyboard.press("Enter")
    says(page, "The result is here: accepted, 31.95 EUR.")


def test_a_page_without_the_shops_address_says_what_is_missing(page: Page, address: str) -> None:
    page.goto(address.partition("?")[0])
    expect(page.get_by_role("alert")).to_contain_text("?orders=https://…/orders")


# -- what goes wrong ----------------------------------------------------------------------------------


def test_a_connection_that_is_cut_is_replaced(
    page: Page, lab: Lab, system: System, address: str
) -> None:
    lab.faults.delay_function(system.functions["do_work"], WORK)
    page.goto(address)
    before = lab.log.last
    order(page)
    lab.faults.drop_connection(listening(lab, before))
    says(page, ACCEPTED)
    assert count(page, "Connections") == 2
    kinds = [event.kind for event in lab.log.after(before)]
    assert kinds.count("connection.opened") == 2
    assert kinds.count("execution.started") == 1, "the order that is sent again is the same one"


def test_a_shop_that_fails_for_a_while_is_asked_again(page: Page, lab: Lab, address: str) -> None:
    lab.faults.add("http.request", "error", status=503, times=2)
    page.goto(address)
    order(page)
    says(page, ACCEPTED)


def test_a_message_that_comes_twice_is_shown_once(
    page: Page, lab: Lab, system: System, address: str
) -> None:
    lab.faults.delay_function(system.functions["do_work"], WORK)
    lab.faults.deliver_twice(times=None)
    page.goto(address)
    order(page)
    says(page, ACCEPTED)
    assert shown(page) == [1, 2, 3]
    assert count(page, "Messages") == 3
    assert count(page, "Duplicates dropped") == 2, "the third comes when nobody listens any more"


# -- where the page comes from ----------------------------------------------------------------------


def test_through_jupyterlab_nothing_but_jupyterlab_is_asked(
    page: Page, lab: Lab, system: System, server: Server, address: str
) -> None:
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("websocket", lambda socket: asked.append(socket.url))
    lab.faults.delay_function(system.functions["do_work"], WORK)
    page.goto(through(server, address))
    before = lab.log.last
    order(page)
    lab.faults.drop_connection(listening(lab, before))
    says(page, ACCEPTED)
    assert count(page, "Connections") == 2
    assert {urlsplit(url).scheme for url in asked if not url.startswith("data:")} == {"http", "ws"}
    elsewhere = [
        url for url in asked if urlsplit(url).netloc not in (urlsplit(server.url).netloc, "")
    ]
    assert elsewhere == []


def test_both_links_in_a_notebook_lead_to_the_page(
    open_notebook: OpenNotebook, written: Callable[..., str]
) -> None:
    notebook = open_notebook(written("links", LINKS))
    notebook.run(0)
    links = notebook.cell(0).get_by_role("link")
    assert links.count() == 2
    assert complaints(notebook.page) == []
    for link, path in zip(links.all(), ("/_labkit/client/", "/proxy/"), strict=True):
        with notebook.page.expect_popup() as opened:
            link.click()
        client = opened.value
        order(client)
        says(client, ACCEPTED)
        assert urlsplit(client.url).path.startswith(path)
        client.close()


def test_the_page_works_from_another_origin_as_from_a_bucket(page: Page, system: System) -> None:
    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), partial(Quiet, directory=str(FOLDER))
    ) as bucket:
        threading.Thread(target=bucket.serve_forever, daemon=True).start()
        try:
            page.goto(f"http://127.0.0.1:{bucket.server_port}/?orders={system.orders_url}")
            order(page)
            says(page, ACCEPTED)
        finally:
            bucket.shutdown()
    expect(page.locator("#orders-url")).to_have_text(system.orders_url)


REACHED = [
    # address, page, what is used
    (
        "http://127.0.0.1:4000/execute-api/a1/orders",
        "http://127.0.0.1:4000/_labkit/client/?orders=x",
        "http://127.0.0.1:4000/execute-api/a1/orders",
    ),
    (
        "ws://127.0.0.1:4000/execute-api/a1/prod?ticket=a.b",
        "https://hub.example.com/user/ada/proxy/4000/_labkit/client/",
        "wss://hub.example.com/user/ada/proxy/4000/execute-api/a1/prod?ticket=a.b",
    ),
    (
        "http://localhost:4000/execute-api/a1/orders",
        "https://hub.example.com/proxy/4000/_labkit/client/index.html",
        "https://hub.example.com/proxy/4000/execute-api/a1/orders",
    ),
    (
        "https://a1.execute-api.us-east-1.amazonaws.com/orders",
        "http://127.0.0.1:4000/_labkit/client/",
        "https://a1.execute-api.us-east-1.amazonaws.com/orders",
    ),
    (
        "http://127.0.0.1:4000/execute-api/a1/orders",
        "http://127.0.0.1:5000/index.html",
        "http://127.0.0.1:4000/execute-api/a1/orders",
    ),
]


def test_addresses_are_reached_by_the_way_that_the_page_came(page: Page, address: str) -> None:
    page.goto(address)
    reached = page.evaluate(
        """async pairs => {
          const { reach } = await import(new URL("reach.js", location.href).href)
          return pairs.map(([address, page]) => reach(address, page))
        }""",
        [case[:2] for case in REACHED],
    )
    assert reached == [case[2] for case in REACHED]


# -- the rules ------------------------------------------------------------------------------------

FAKES = """
async ([answers, frames, timeout, doubles]) => {
  const there = await import(new URL("order_client.js", location.href).href)
  const seen = { keys: [], opened: [], sent: [], pauses: [], news: [], dropped: 0 }
  class Socket {
    constructor(url) {
      seen.opened.push(url)
      const mine = frames.shift()
      setTimeout(() => {
        if (mine === null) return this.onclose({ code: 1006 })
        this.onopen()
        for (const frame of mine) this.onmessage({ data: frame })
        if (frames.length) this.onclose({ code: 1006 })
      })
    }
    send(text) { seen.sent.push(text) }
    close() {}
  }
  const client = new there.OrderClient("https://example.test/orders", {
    onMessage: message => seen.news.push(message.sequence),
    onEvent: name => { if (name === "drop") seen.dropped += 1 },
    fetch: async (url, request) => {
      seen.keys.push(request.headers["Idempotency-Key"])
      const [status, text] = answers.length > 1 ? answers.shift() : answers[0]
      if (status === 0) throw new TypeError("Failed to fetch")
      return { status, text: async () => text }
    },
    WebSocket: Socket,
    sleep: async seconds => { seen.pauses.push(seconds) },
    uniform: (low, high) => high,
  })
  try {
    seen.placed = await client.placeOrder({ an: "order" }, { timeout })
    seen.result = await client.result({ timeout })
  } catch (error) {
    seen.error = [error.constructor.name, error.status ?? 0, error.field ?? "", error.message]
  }
  return seen
}
"""

Follow = Callable[..., dict[str, Any]]


@pytest.fixture
def follow(page: Page, address: str) -> Follow:
    """Follows an order over a network of plain objects: answers to requests, frames of sockets."""
    page.goto(address)

    def follow(answers: list[Any], frames: list[Any], timeout: float = 1_000) -> dict[str, Any]:
        seen: dict[str, Any] = page.evaluate(FAKES, [answers, frames, timeout, []])
        return seen

    return follow


PLACED: list[Any] = [202, '{"orderId": "o", "executionArn": "arn", "websocketUrl": "wss://x?t"}']


def message(sequence: int, kind: str = "progress", **body: Any) -> str:
    return json.dumps({"id": f"o#{sequence}", "sequence": sequence, "type": kind, "body": body})


RESULT = message(3, "result", status="accepted")


def test_the_constants_are_those_of_the_python_client() -> None:
    text = (FOLDER / "order_client.js").read_text("utf-8")
    found = dict(re.findall(r"^export const ([A-Z_]+) = ([\d.]+);$", text, re.MULTILINE))
    theirs = {
        name: value for name, value in vars(python_client).items() if isinstance(value, float)
    }
    assert len(theirs) > 2
    assert {name: float(value) for name, value in found.items()} == theirs


def test_pauses_double_up_to_a_limit(follow: Follow) -> None:
    seen = follow([[503, ""]] * 10 + [PLACED], [[RESULT]])
    doubled = [python_client.FIRST_PAUSE * 2**number for number in range(10)]
    assert seen["pauses"] == [min(pause, python_client.LONGEST_PAUSE) for pause in doubled]
    assert len(set(seen["keys"])) == 1


def test_pauses_are_drawn_at_random(page: Page, address: str) -> None:
    page.goto(address)
    drawn = page.evaluate(
        """async () => {
          const there = await import(new URL("order_client.js", location.href).href)
          const drawn = []
          const client = new there.OrderClient("x", {
            fetch: async () => drawn.length < 40
              ? { status: 503, text: async () => "" }
              : { status: 400, text: async () => "" },
            sleep: async seconds => { drawn.push(seconds) },
          })
          await client.placeOrder({}, { timeout: 1000 }).catch(() => {})
          return drawn.slice(7)
        }"""
    )
    assert len(drawn) == 33
    assert all(0 <= pause <= python_client.LONGEST_PAUSE for pause in drawn)
    assert len(set(drawn)) > 30
    assert min(drawn) < python_client.LONGEST_PAUSE / 3
    assert max(drawn) > python_client.LONGEST_PAUSE / 2


def test_a_lost_connection_is_replaced_with_a_fresh_ticket(follow: Follow) -> None:
    tickets = [[202, PLACED[1].replace("?t", f"?t{number}")] for number in (1, 2, 3)]
    seen = follow(tickets, [[message(1)], None, [message(1), RESULT]])
    assert seen["opened"] == ["wss://x?t1", "wss://x?t2", "wss://x?t3"]
    assert seen["sent"] == ['{"action":"subscribe"}'] * 2
    assert seen["news"] == [1, 3]
    assert seen["dropped"] == 1
    assert len(set(seen["keys"])) == 1
    assert seen["result"] == {"status": "accepted"}


def test_a_subscribe_that_fails_is_not_waited_for_but_sent_again(follow: Follow) -> None:
    error = '{"message": "Internal server error", "connectionId": "c", "requestId": "r"}'
    tickets = [[202, PLACED[1].replace("?t", f"?t{number}")] for number in (1, 2)]
    seen = follow(tickets, [[error], [RESULT]])
    assert seen["opened"] == ["wss://x?t1", "wss://x?t2"]
    assert seen["sent"] == ['{"action":"subscribe"}'] * 2
    assert (seen["news"], seen["dropped"]) == ([3], 0)


def test_what_is_no_message_of_ours_is_no_news(follow: Follow) -> None:
    others = ["", "no JSON", "[]", "7", "null", '{"type": "help"}', '{"sequence": "3"}']
    seen = follow([PLACED], [[*others, message(2), message(1), RESULT]])
    assert seen["news"] == [2, 3]
    assert seen["dropped"] == len(others) + 1


@pytest.mark.parametrize(
    ("code", "text", "field", "said"),
    [
        (400, '{"message": "must be 1", "field": "items[0].sku"}', "items[0].sku", "must be 1"),
        (422, '{"message": "Use a new key"}', "", "Use a new key"),
        (403, "<html>", "", "<html>"),
        (404, "", "", "The API answered 404."),
    ],
)
def test_an_order_that_is_refused_is_not_sent_again(
    follow: Follow, code: int, text: str, field: str, said: str
) -> None:
    seen = follow([[code, text]], [])
    assert seen["error"] == ["OrderRefused", code, field, said]
    assert len(seen["keys"]) == 1


def test_time_is_limited(follow: Follow) -> None:
    seen = follow([[0, ""]], [], timeout=0.05)
    assert seen["error"][0] == "OutOfTime"
    assert "Call again to go on waiting" in seen["error"][3]


@pytest.fixture
def silent(page: Page, address: str) -> Page:
    """A page whose client listens, and is answered when it has sent ``answered`` messages."""
    page.clock.install()
    page.goto(address)
    page.evaluate(
        """async ([placed, result]) => {
          const there = await import(new URL("order_client.js", location.href).href)
          Object.assign(window, { opened: 0, sent: 0, answered: 2, result: null })
          class Socket {
            constructor() { opened += 1; queueMicrotask(() => this.onopen()) }
            send() { if (++sent === answered) this.onmessage({ data: result }) }
            close() {}
          }
          const client = new there.OrderClient("x", {
            fetch: async () => ({ status: 202, text: async () => placed }),
            WebSocket: Socket,
          })
          await client.placeOrder({}, { timeout: 1000 })
          client.result({ timeout: 1000 }).then(body => { window.result = body })
        }""",
        [PLACED[1], RESULT],
    )
    page.wait_for_function("() => sent === 1")
    return page


def test_silence_makes_the_client_ask_again(silent: Page) -> None:
    silent.clock.run_for(round((python_client.SILENCE - 1) * 1000))
    assert silent.evaluate("() => sent") == 1
    silent.clock.run_for(1_500)
    silent.wait_for_function("() => result !== null")
    assert silent.evaluate("() => [opened, sent]") == [1, 2]


def test_a_connection_that_stays_silent_is_given_up(silent: Page) -> None:
    silent.evaluate("() => { answered = 3 }")
    silent.clock.run_for(round(python_client.SILENCE * 1000) + 500)
    silent.wait_for_function("() => sent === 2")
    silent.clock.run_for(round(python_client.SILENCE * 1000) + 500)
    silent.wait_for_function("() => result !== null")
    assert silent.evaluate("() => [opened, sent]") == [2, 3]


# -- for everybody --------------------------------------------------------------------------------


def test_the_articles_are_those_of_the_shop() -> None:
    text = (FOLDER / "index.html").read_text("utf-8")
    products = json.loads((FOLDER.parent / "products.json").read_text("utf-8"))
    labels = re.findall(r'<label for="([\w-]+)">(.+)</label>', text)[1:]
    assert labels == [
        (each["sku"], f"{each['name']}, {each['unitPrice']} {each['currency']}")
        for each in products
    ]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_in_either_colour_scheme(page: Page, address: str, scheme: Any) -> None:
    page.emulate_media(color_scheme=scheme)
    page.goto(address)
    ARTIFACTS.mkdir(parents=True, exist_ok=True)
    order(page, green_tea=0, tea_glass=0)
    expect(page.get_by_role("alert")).not_to_be_empty()
    assert complaints(page, "html") == []
    page.screenshot(path=ARTIFACTS / f"browser-client-refused-{scheme}.png", full_page=True)
    order(page, green_tea=2)
    says(page, re.compile("The result is here"))
    assert complaints(page, "html") == []
    faint = Axe().run(page, options={"runOnly": ["color-contrast-enhanced"]})
    assert faint.violations_count == 0, faint.generate_report()
    page.screenshot(path=ARTIFACTS / f"browser-client-{scheme}.png", full_page=True)
