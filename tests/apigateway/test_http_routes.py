"""Which stage and route serve a request.  Expected values are AWS's own examples where it has some."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labkit.apigateway.http_routes import locate, select
from labkit.apigateway.model import Api, Protocol, Route, Stage, StageSettings

PETS = [
    "GET /pets/dog/1",
    "GET /pets/dog/{id}",
    "GET /pets/{proxy+}",
    "ANY /{proxy+}",
    "$default",
]
"""The example in "Routing API requests"."""


def routes(keys: Iterable[str]) -> dict[str, Route]:
    return {key: Route(id=f"r{n}", key=key, integration_id="i") for n, key in enumerate(keys)}


def chosen(keys: Iterable[str], method: str, path: str) -> str | None:
    match = select(routes(keys), method, path)
    return match.route.key if match else None


def parameters(key: str, path: str) -> dict[str, str] | None:
    match = select(routes([key]), "GET", path)
    return dict(match.parameters) if match else None


@pytest.mark.behaviour("http.routes.priority")
@pytest.mark.parametrize(
    ("method", "path", "expected"),
    [
        ("GET", "/pets/dog/1", "GET /pets/dog/1"),
        ("GET", "/pets/dog/2", "GET /pets/dog/{id}"),
        ("GET", "/pets/cat/1", "GET /pets/{proxy+}"),
        ("POST", "/test/5", "ANY /{proxy+}"),
    ],
)
def test_requests_of_the_guides_example_go_where_it_says(
    method: str, path: str, expected: str
) -> None:
    assert chosen(PETS, method, path) == expected
    assert chosen(reversed(PETS), method, path) == expected


@pytest.mark.behaviour("http.routes.priority")
def test_default_takes_what_no_other_route_takes() -> None:
    assert chosen(["GET /pets", "$default"], "POST", "/pets") == "$default"
    assert chosen(["GET /pets", "$default"], "GET", "/pets/1/2") == "$default"


def test_without_a_match_and_without_default_there_is_no_route() -> None:
    assert chosen(["GET /pets"], "GET", "/cats") is None


@pytest.mark.behaviour("http.routes.method")
def test_method_that_is_named_goes_before_any() -> None:
    assert chosen(["ANY /pets", "GET /pets"], "GET", "/pets") == "GET /pets"
    assert chosen(["ANY /pets", "GET /pets"], "PUT", "/pets") == "ANY /pets"


@pytest.mark.behaviour("http.routes.priority")
def test_full_match_goes_before_a_greedy_one_even_with_any() -> None:
    assert chosen(["GET /pets/{proxy+}", "ANY /pets/{id}"], "GET", "/pets/1") == "ANY /pets/{id}"


def test_longer_prefix_of_a_greedy_route_is_more_specific() -> None:
    keys = ["ANY /{proxy+}", "ANY /api/{proxy+}", "ANY /api/v1/{proxy+}"]
    assert chosen(keys, "GET", "/api/v1/") == "ANY /api/v1/{proxy+}"
    assert chosen(keys, "GET", "/api/v2/") == "ANY /api/{proxy+}"
    assert chosen(keys, "GET", "/other") == "ANY /{proxy+}"


@pytest.mark.behaviour("http.routes.literal")
def test_literal_further_to_the_left_is_more_specific() -> None:
    keys = ["GET /{kind}/dog/{id}", "GET /pets/{kind}/{id}"]
    assert chosen(keys, "GET", "/pets/dog/1") == "GET /pets/{kind}/{id}"


def test_method_takes_part_before_the_path() -> None:
    assert chosen(["POST /pets/{id}", "GET /{proxy+}"], "GET", "/pets/1") == "GET /{proxy+}"


def test_trailing_slash_makes_another_path() -> None:
    assert chosen(["GET /pets"], "GET", "/pets/") is None
    assert chosen(["GET /pets/"], "GET", "/pets/") == "GET /pets/"


def test_variable_needs_a_value() -> None:
    assert parameters("GET /pets/{id}", "/pets/") is None
    assert parameters("GET /pets/{id}", "/pets") is None


def test_greedy_variable_takes_what_follows_its_slash_even_nothing() -> None:
    assert parameters("GET /res/{proxy+}", "/res/a/b") == {"proxy": "a/b"}
    assert parameters("GET /res/{proxy+}", "/res/") == {"proxy": ""}
    assert parameters("GET /res/{proxy+}", "/res") is None
    assert parameters("GET /{proxy+}", "/") == {"proxy": ""}


@pytest.mark.behaviour("http.routes.decoded")
def test_values_are_decoded_and_an_encoded_slash_stays_in_its_segment() -> None:
    assert parameters("GET /pets/{name}", "/pets/Fl%C3%BCsse%20a%2Fb") == {"name": "Flüsse a/b"}


def test_literal_segments_are_compared_decoded() -> None:
    assert chosen(["GET /caf%C3%A9", "GET /café"], "GET", "/caf%C3%A9") == "GET /café"


def test_root_is_a_route_of_its_own() -> None:
    assert chosen(["GET /", "GET /{id}"], "GET", "/") == "GET /"


segment = st.sampled_from(["a", "b", "c"])
key_segment = st.sampled_from(["a", "b", "c", "{x}"])
paths = st.lists(segment, min_size=1, max_size=4).map(lambda parts: "/" + "/".join(parts))
methods = st.sampled_from(["GET", "POST", "ANY"])


@st.composite
def keys(draw: st.DrawFn) -> str:
    parts = draw(st.lists(key_segment, min_size=1, max_size=3))
    if draw(st.booleans()):
        parts.append("{proxy+}")
    return f"{draw(methods)} /{'/'.join(parts)}"


@given(st.lists(keys(), unique=True, max_size=8), st.sampled_from(["GET", "POST"]), paths)
def test_choice_does_not_depend_on_the_order_of_the_routes(
    some: list[str], method: str, path: str
) -> None:
    assert chosen(some, method, path) == chosen(reversed(some), method, path)


@given(st.lists(keys(), unique=True, max_size=8), st.sampled_from(["GET", "POST"]), paths)
def test_parameters_put_into_the_route_give_the_path_back(
    some: list[str], method: str, path: str
) -> None:
    match = select(routes(some), method, path)
    if match is None:
        return
    named, template = match.route.key.split(" ")
    assert named in (method, "ANY")
    for name, value in match.parameters.items():
        template = template.replace(f"{{{name}}}", value, 1).replace(f"{{{name}+}}", value, 1)
    # {x} may occur twice in a generated key; only its last value is kept.
    if match.route.key.count("{x}") < 2:
        assert template == path


@pytest.mark.behaviour("http.routes.priority")
@given(st.lists(keys(), unique=True, max_size=8), paths)
def test_exact_route_always_wins(some: list[str], path: str) -> None:
    assert chosen([*some, f"GET {path}"], "GET", path) == f"GET {path}"


@given(st.text(max_size=30), st.text(max_size=30))
def test_no_key_and_no_path_breaks_the_choice(key: str, path: str) -> None:
    assert chosen([key, "$default"], "GET", "/" + path) in (key, "$default")


def stage(name: str) -> Stage:
    api = Api("a1", "orders", Protocol.HTTP, "123456789012", "us-east-1", "")
    return Stage(StageSettings(name), api)


STAGES = {"prod": stage("prod"), "$default": stage("$default")}


@pytest.mark.behaviour("http.routes.stage")
@pytest.mark.parametrize(
    ("path", "name", "rest"),
    [
        ("/prod/orders/1", "prod", "/orders/1"),
        ("/prod/", "prod", "/"),
        ("/prod", "prod", "/"),
        ("/pr%6Fd/orders", "prod", "/orders"),
        ("/orders/1", "$default", "/orders/1"),
        ("/", "$default", "/"),
        ("/$default/orders", "$default", "/$default/orders"),
    ],
)
def test_first_segment_names_the_stage_if_one_of_that_name_serves(
    path: str, name: str, rest: str
) -> None:
    assert locate(path, STAGES.get) == (STAGES[name], rest)


def test_without_a_default_stage_no_stage_serves_other_paths() -> None:
    assert locate("/orders", {"prod": STAGES["prod"]}.get) is None
