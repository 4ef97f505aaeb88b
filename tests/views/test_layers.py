"""The layout in layers: nothing meets, whatever leads where."""

from itertools import combinations, pairwise

from hypothesis import given
from hypothesis import strategies as st

from labkit.views.layers import GAP, LANE, Curve, Layout, Link, Place, Size, arrange

SIZES = st.builds(Size, st.floats(10, 300), st.floats(10, 90))


@st.composite
def graphs(draw: st.DrawFn) -> tuple[dict[int, Size], list[Link[int]]]:
    sizes = dict(enumerate(draw(st.lists(SIZES, min_size=1, max_size=12))))
    key = st.sampled_from(sorted(sizes))
    link = st.builds(Link, key, key, st.none() | SIZES, st.booleans())
    return sizes, draw(st.lists(link, max_size=24))


def around(curve: Curve) -> Place:
    """The box around a curve's points, which the curve does not leave."""
    xs, ys = zip(*curve.points, strict=True)
    return Place(min(xs), min(ys), max(xs) - min(xs), max(ys) - min(ys))


def meet(one: Place, other: Place) -> bool:
    """Whether two places have some of their insides in common."""
    near = 1e-6
    return (
        one.x < other.right - near
        and other.x < one.right - near
        and one.y < other.bottom - near
        and other.y < one.bottom - near
    )


def everything(layout: Layout[int]) -> list[Place]:
    labels = [route.label for route in layout.routes if route.label]
    return [*layout.boxes.values(), *labels]


@given(graphs())
def test_boxes_and_labels_do_not_meet(graph: tuple[dict[int, Size], list[Link[int]]]) -> None:
    layout = arrange(*graph)
    for one, other in combinations(everything(layout), 2):
        assert not meet(one, other)


@given(graphs())
def test_no_line_crosses_a_box_or_a_label(
    graph: tuple[dict[int, Size], list[Link[int]]],
) -> None:
    layout = arrange(*graph)
    for route in layout.routes:
        for curve in route.curves:
            assert not any(meet(around(curve), place) for place in everything(layout))


@given(graphs())
def test_a_line_goes_from_below_its_source_to_above_its_target_without_a_gap_but_for_its_label(
    graph: tuple[dict[int, Size], list[Link[int]]],
) -> None:
    sizes, links = graph
    layout = arrange(sizes, links)
    for link, route in zip(links, layout.routes, strict=True):
        source, target = layout.boxes[link.source], layout.boxes[link.target]
        (x, y), (end_x, end_y) = route.curves[0].points[0], route.curves[-1].points[-1]
        assert abs(y - source.bottom) < 1e-6
        assert source.x <= x <= source.right
        assert abs(end_y - target.y) < 1e-6
        assert target.x <= end_x <= target.right
        tip = route.curves[-1].points
        assert {x for x, _ in tip} == {end_x}, "the tip points straight down"
        assert tip[0][1] < end_y
        gaps = [
            (before.points[-1], after.points[0])
            for before, after in pairwise(route.curves)
            if max(abs(a - b) for a, b in zip(before.points[-1], after.points[0], strict=True))
            > 1e-6
        ]
        if route.label is None:
            assert gaps == []
        else:
            ((above, below),) = gaps
            middle = route.label.x + route.label.wide / 2
            assert abs(above[0] - middle) + abs(below[0] - middle) < 1e-6
            assert abs(above[1] - route.label.y) + abs(below[1] - route.label.bottom) < 1e-6


@given(graphs())
def test_everything_is_within_the_frame_and_as_large_as_asked(
    graph: tuple[dict[int, Size], list[Link[int]]],
) -> None:
    layout = arrange(*graph)
    for key, size in graph[0].items():
        place = layout.boxes[key]
        assert (place.wide, place.high) == (size.wide, size.high)
    curves = [around(curve) for route in layout.routes for curve in route.curves]
    for place in [*everything(layout), *curves]:
        assert place.x >= -1e-6
        assert place.y >= -1e-6
        assert place.right <= layout.width + 1e-6
        assert place.bottom <= layout.height + 1e-6
    assert layout == arrange(*graph)


@given(graphs())
def test_loops_that_pass_the_same_place_have_lanes_of_their_own(
    graph: tuple[dict[int, Size], list[Link[int]]],
) -> None:
    lanes = [
        around(curve)
        for route in arrange(*graph).routes
        for curve in route.curves
        if curve.points[0][1] > curve.points[-1][1] and curve.points[0][0] == curve.points[-1][0]
    ]
    for one, other in combinations(lanes, 2):
        side_by_side = one.y < other.bottom and other.y < one.bottom
        assert not side_by_side or abs(one.x - other.x) >= LANE - 1e-6


def test_what_comes_next_stands_below_and_upright_and_a_loop_goes_round_at_the_right() -> None:
    box = Size(80, 30)
    links = [Link(0, 1, None, True), Link(1, 2, None, True), Link(2, 0)]
    layout = arrange({0: box, 1: box, 2: box}, links)
    first, second, third = layout.boxes.values()
    assert first.x == second.x == third.x
    assert first.bottom < second.y < second.bottom < third.y
    lane = max(x for curve in layout.routes[2].curves for x, _ in curve.points)
    assert lane > max(place.right for place in layout.boxes.values())
    straight = [x for curve in layout.routes[0].curves for x, _ in curve.points]
    assert min(straight) == max(straight)


def test_lines_that_need_not_cross_do_not() -> None:
    box = Size(40, 20)
    links = [Link(0, 1), Link(0, 2), Link(1, 4), Link(2, 3)]
    layout = arrange(dict.fromkeys(range(5), box), links)
    left, right = layout.boxes[1], layout.boxes[2]
    below_left, below_right = layout.boxes[4], layout.boxes[3]
    assert (left.x < right.x) == (below_left.x < below_right.x)
    assert abs(left.x - right.x) >= box.wide + GAP
