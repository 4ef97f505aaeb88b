"""Boxes in layers with lines between them: a layout for graphs that go one way, but for loops.  Pure.

It is Sugiyama's method in its plain form.  What a line points to stands in a lower layer; a line that
passes layers has a place of its own in each, and so has its label, in a layer between those of the
boxes.  So nothing can meet: within a layer places stand apart, and between two layers there is a
channel in which there are only lines.  A line that goes back up (a loop) goes round: down into the
channel below, up in a lane at the right of all layers that it passes, and in from above.
"""

from __future__ import annotations

import math
from bisect import bisect_right, insort
from collections import defaultdict
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import accumulate, pairwise
from typing import Any, Generic, TypeVar

GAP = 26
"""Distance of two boxes or labels in a layer, in pixels."""

LANE = 16
"""Distance of a line from whatever is beside it."""

CHANNEL = 28
"""Least height of a channel."""

TRACK = 10
"""Height that each line takes which turns round in a channel."""

TIP = 10
"""Height that an arrow's tip takes below a channel's lines."""

PORT = 20
"""Distance of two lines that leave or enter one box, at most."""

CORNER = 8
"""Radius of a line's corners."""

SWEEPS = 4
"""Times that each layer is put in the order of its neighbours."""

Key = TypeVar("Key", bound=Hashable)
Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Size:
    """How much room something takes, in pixels."""

    wide: float
    high: float


@dataclass(frozen=True, slots=True)
class Place:
    """Where something stands: its left upper corner and its size, in pixels."""

    x: float
    y: float
    wide: float
    high: float

    @property
    def right(self) -> float:
        """Its right side."""
        return self.x + self.wide

    @property
    def bottom(self) -> float:
        """Its lower side."""
        return self.y + self.high

    def moved(self, x: float, y: float) -> Place:
        """The same, so much further to the right and down."""
        return Place(self.x + x, self.y + y, self.wide, self.high)


@dataclass(frozen=True, slots=True)
class Link(Generic[Key]):
    """A line to be drawn.

    Attributes:
        source: the box where it begins.
        target: the box where it ends; may be the same.
        label: how much room its label takes; ``None`` without one.
        is_main: whether it is to be straight before others are.
    """

    source: Key
    target: Key
    label: Size | None = None
    is_main: bool = False


@dataclass(frozen=True, slots=True)
class Curve:
    """A piece of a line: a cubic Bézier curve.  It stays within the box around its four points."""

    points: tuple[Point, Point, Point, Point]

    def moved(self, x: float, y: float) -> Curve:
        """The same, so much further to the right and down."""
        one, two, three, four = ((px + x, py + y) for px, py in self.points)
        return Curve((one, two, three, four))


@dataclass(frozen=True, slots=True)
class Route:
    """A line with its place.

    Attributes:
        curves: its pieces, from the source to the target; the last one goes straight down.
        label: where its label stands, in a gap between two pieces.
    """

    curves: tuple[Curve, ...]
    label: Place | None


@dataclass(frozen=True, slots=True)
class Layout(Generic[Key]):
    """A graph with places, all within ``width`` and ``height``.

    Attributes:
        boxes: the place of each box.
        routes: of each link, in the order of the links.
        width: of the whole, in pixels.
        height: of the whole, in pixels.
    """

    boxes: dict[Key, Place]
    routes: tuple[Route, ...]
    width: float
    height: float


@dataclass(slots=True, eq=False)
class _Item:
    """What has a place in a layer: a box, a label, or a line that passes."""

    layer: int
    size: Size
    is_line: bool = False
    is_box: bool = False
    order: float = 0.0
    x: float = 0.0  # of its middle
    ups: list[_Step] = field(default_factory=list)
    downs: list[_Step] = field(default_factory=list)
    turns: list[_Chain[Any]] = field(default_factory=list)  # lines that turn round below it
    arrivals: list[_Chain[Any]] = field(default_factory=list)  # lines that come round from above

    @property
    def left(self) -> float:
        return self.x - self.size.wide / 2

    @property
    def right(self) -> float:
        return self.x + self.size.wide / 2


@dataclass(slots=True, eq=False)
class _Step:
    """A line's piece from one layer into the next; ``out`` and ``into`` are offsets of its ends."""

    upper: _Item
    lower: _Item
    weight: int
    is_main: bool
    out: float = 0.0
    into: float = 0.0


@dataclass(slots=True, eq=False)
class _Chain(Generic[Key]):
    """A line: the items that it goes through downwards, and for a loop the rest of its way."""

    link: Link[Key]
    items: list[_Item]
    steps: list[_Step]
    label: _Item | None
    back_to: _Item | None = None
    lane: float = 0.0
    out: float = 0.0  # where it leaves what it turns round below
    into: float = 0.0  # where it comes in from above
    below: int = 0  # its track in the channel in which it turns round
    above: int = 0

    @property
    def inner(self) -> list[_Item]:
        """What the line goes through between boxes."""
        return self.items[1:] if self.back_to else self.items[1:-1]


def arrange(sizes: Mapping[Key, Size], links: Sequence[Link[Key]]) -> Layout[Key]:
    """Give each box, each line and each label a place.

    Args:
        sizes: the boxes; the first is where everything begins.
        links: the lines between them.
    """
    back = _loops(sizes, links)
    ranks = _ranks(sizes, links, back)
    labelled = {ranks[link.source] * 2 + 1 for link in links if link.label}
    present = sorted({2 * rank for rank in ranks.values()} | labelled)
    number = {rank: index for index, rank in enumerate(present)}
    boxes = {key: _Item(number[2 * ranks[key]], size, is_box=True) for key, size in sizes.items()}
    layers: list[list[_Item]] = [[] for _ in present]
    for item in boxes.values():
        layers[item.layer].append(item)
    chains = [_chain(link, boxes, layers, index in back) for index, link in enumerate(links)]
    _order(layers)
    for item in boxes.values():
        _ports(item)
    _place(layers, chains)
    loops = _lanes(layers, chains)
    return _measured(boxes, layers, chains, loops)


# -- layers -----------------------------------------------------------------------------------------


def _loops(sizes: Mapping[Key, Size], links: Sequence[Link[Key]]) -> set[int]:
    """The numbers of the links that lead back to where a way came from."""
    outs: dict[Key, list[tuple[int, Key]]] = defaultdict(list)
    for index, link in enumerate(links):
        outs[link.source].append((index, link.target))
    found: set[int] = set()
    under_way: set[Key] = set()
    seen: set[Key] = set()
    for start in sizes:
        if start in seen:
            continue
        seen.add(start)
        under_way.add(start)
        path = [(start, iter(outs[start]))]
        while path:
            key, rest = path[-1]
            for index, target in rest:
                if target in under_way:
                    found.add(index)
                elif target not in seen:
                    seen.add(target)
                    under_way.add(target)
                    path.append((target, iter(outs[target])))
                    break
            else:
                under_way.discard(key)
                path.pop()
    return found


def _ranks(sizes: Mapping[Key, Size], links: Sequence[Link[Key]], back: set[int]) -> dict[Key, int]:
    """How far each box is from the beginning, by the longest way that does not go back."""
    forward = [link for index, link in enumerate(links) if index not in back]
    outs: dict[Key, list[Key]] = defaultdict(list)
    waits: dict[Key, int] = dict.fromkeys(sizes, 0)
    for link in forward:
        outs[link.source].append(link.target)
        waits[link.target] += 1
    ranks = dict.fromkeys(sizes, 0)
    ready = [key for key, count in waits.items() if count == 0]
    for key in ready:
        for target in outs[key]:
            ranks[target] = max(ranks[target], ranks[key] + 1)
            waits[target] -= 1
            if waits[target] == 0:
                ready.append(target)
    return ranks


def _chain(
    link: Link[Key], boxes: Mapping[Key, _Item], layers: list[list[_Item]], goes_back: bool
) -> _Chain[Key]:
    """The items of a line, each in its layer."""
    source, target = boxes[link.source], boxes[link.target]
    items = [source]
    label = None
    if link.label:
        label = _Item(source.layer + 1, link.label)
        items.append(label)
        layers[label.layer].append(label)
    if goes_back:
        back_to: _Item | None = target
    else:
        back_to = None
        for layer in range(items[-1].layer + 1, target.layer):
            passing = _Item(layer, Size(0, 0), is_line=True)
            items.append(passing)
            layers[layer].append(passing)
        items.append(target)
    steps = []
    for upper, lower in pairwise(items):
        inner = upper is not source and lower is not target
        step = _Step(upper, lower, 16 if link.is_main else 8 if inner else 1, link.is_main)
        upper.downs.append(step)
        lower.ups.append(step)
        steps.append(step)
    chain = _Chain(link, items, steps, label, back_to)
    if back_to is not None:
        items[-1].turns.append(chain)
        back_to.arrivals.append(chain)
    return chain


# -- order within a layer ---------------------------------------------------------------------------


def _order(layers: list[list[_Item]]) -> None:
    """Sort each layer so that few lines cross."""
    for layer in layers:
        _number(layer)
    best = _crossings(layers)
    kept = [list(layer) for layer in layers]
    for sweep in range(2 * SWEEPS):
        if best == 0:
            break
        down = sweep % 2 == 0
        for layer in layers if down else reversed(layers):
            layer.sort(key=lambda item: _middle(item, down))
            _number(layer)
        crossings = _crossings(layers)
        if crossings < best:
            best, kept = crossings, [list(layer) for layer in layers]
    for layer, order in zip(layers, kept, strict=True):
        layer[:] = order
        _number(layer)


def _number(layer: list[_Item]) -> None:
    for index, item in enumerate(layer):
        item.order = float(index)


def _middle(item: _Item, down: bool) -> float:
    """The mean place of an item's neighbours above it, or below."""
    if down:
        return (
            sum(step.upper.order for step in item.ups) / len(item.ups) if item.ups else item.order
        )
    return (
        sum(step.lower.order for step in item.downs) / len(item.downs) if item.downs else item.order
    )


def _crossings(layers: list[list[_Item]]) -> int:
    """How many lines cross."""
    count = 0
    for layer in layers:
        passed: list[float] = []
        for item in layer:
            ends = sorted(step.lower.order for step in item.downs)
            count += sum(len(passed) - bisect_right(passed, end) for end in ends)
            for end in ends:
                insort(passed, end)
    return count


def _ports(item: _Item) -> None:
    """Spread the lines that leave or enter a box; its main line stays in the middle."""
    outs = sorted(item.downs, key=lambda step: step.lower.order)
    ways = _spread([step.is_main for step in outs] + [False] * len(item.turns), item.size.wide)
    for step, offset in zip(outs, ways, strict=False):
        step.out = offset
    for turn, offset in zip(item.turns, ways[len(outs) :], strict=True):
        turn.out = offset
    ins = sorted(item.ups, key=lambda step: step.upper.order)
    ways = _spread([step.is_main for step in ins] + [False] * len(item.arrivals), item.size.wide)
    for step, offset in zip(ins, ways, strict=False):
        step.into = offset
    for arrival, offset in zip(item.arrivals, ways[len(ins) :], strict=True):
        arrival.into = offset


def _spread(mains: Sequence[bool], wide: float) -> list[float]:
    """Offsets from the middle of a side, from left to right."""
    middle = mains.index(True) if any(mains) else (len(mains) - 1) / 2
    furthest = max(middle, len(mains) - 1 - middle, 1)
    step = min(PORT, max(wide / 2 - CORNER, 0) / furthest)
    return [(index - middle) * step for index in range(len(mains))]


# -- from left to right -----------------------------------------------------------------------------


def _place(layers: list[list[_Item]], chains: Sequence[_Chain[Key]]) -> None:
    """Give each item the x of its middle: near its neighbours, and apart from those beside it."""
    for layer in layers:
        _settle(layer, [0.0] * len(layer), [1.0] * len(layer))
    for turn in range(SWEEPS):
        for layer in layers:
            _follow(layer, up=True, down=turn == SWEEPS - 1)
        for layer in reversed(layers):
            _follow(layer, up=turn == SWEEPS - 1, down=True)
    _straighten(chains, layers)


def _follow(layer: list[_Item], *, up: bool, down: bool) -> None:
    wanted, weights = [], []
    for item in layer:
        total = weight = 0.0
        if up:
            for step in item.ups:
                total += step.weight * (step.upper.x + step.out - step.into)
                weight += step.weight
        if down:
            for step in item.downs:
                total += step.weight * (step.lower.x + step.into - step.out)
                weight += step.weight
        wanted.append(total / weight if weight else item.x)
        weights.append(weight or 0.1)
    _settle(layer, wanted, weights)


def _apart(left: _Item, right: _Item) -> float:
    """Least distance of the middles of two items side by side."""
    gap = LANE if left.is_line or right.is_line else GAP
    return (left.size.wide + right.size.wide) / 2 + gap


def _settle(layer: list[_Item], wanted: Sequence[float], weights: Sequence[float]) -> None:
    """Put items as near as can be to where they want to be, in their order and apart.

    Measured from where each would stand if all were packed, the places must not fall; the nearest such
    places are found by pooling neighbours that violate it ("isotonic regression").
    """
    packed = list(accumulate((_apart(a, b) for a, b in pairwise(layer)), initial=0.0))
    pools: list[tuple[float, float, int]] = []  # mean, weight, items
    for want, base, weight in zip(wanted, packed, weights, strict=False):
        mean, count = want - base, 1
        while pools and pools[-1][0] > mean:
            before, heavy, many = pools.pop()
            mean = (before * heavy + mean * weight) / (heavy + weight)
            weight, count = heavy + weight, many + count
        pools.append((mean, weight, count))
    free = [mean for mean, _, count in pools for _ in range(count)]
    for item, base, shift in zip(layer, packed, free, strict=False):
        item.x = base + shift


def _straighten(chains: Sequence[_Chain[Key]], layers: list[list[_Item]]) -> None:
    """Put lines upright where there is room: main ones with the box below, others where they pass.

    Those at the sides come first, because they can make way.
    """
    mains = [chain for chain in chains if chain.link.is_main and not chain.back_to]
    mains.sort(key=lambda chain: -chain.items[0].layer)
    mains = list({id(chain.items[-1]): chain for chain in mains}.values())
    mains.reverse()
    for chain in mains:
        _upright(chain, layers, with_target=True)
    passing = [chain for chain in chains if chain.inner]
    for side in (-1, 1):
        passing.sort(
            key=lambda chain: side * sum(item.x for item in chain.inner) / len(chain.inner)
        )
        for chain in passing:
            _upright(chain, layers)
    for chain in mains:
        _upright(chain, layers, with_target=True)


def _upright(chain: _Chain[Key], layers: list[list[_Item]], *, with_target: bool = False) -> None:
    """Put what a line passes, and the box where it ends if that is asked for, above each other."""
    first, last = chain.steps[0], chain.steps[-1]
    moved = [(item, 0.0) for item in chain.inner]
    begin, end = first.upper.x + first.out, last.lower.x + last.into
    if with_target:
        moved.append((chain.items[-1], last.into))
    low, high = -math.inf, math.inf
    for item, offset in moved:
        layer, at = layers[item.layer], int(item.order)
        if at:
            low = max(low, layer[at - 1].x + _apart(layer[at - 1], item) + offset)
        if at + 1 < len(layer):
            high = min(high, layer[at + 1].x - _apart(item, layer[at + 1]) + offset)
    if with_target:
        x = begin
    else:
        x = next((wish for wish in (end, begin) if low <= wish <= high), min(max(end, low), high))
    if not low <= x <= high:
        # Lines and labels at the right make way; boxes do not.
        right = [layers[item.layer][int(item.order) :] for item, _ in moved]
        if with_target or any(other.is_box for rest in right for other in rest):
            return
        x = low
    for item, offset in moved:
        item.x = x - offset
        for one, other in pairwise(layers[item.layer][int(item.order) :]):
            other.x = max(other.x, one.x + _apart(one, other))


def _lanes(layers: list[list[_Item]], chains: Iterable[_Chain[Key]]) -> list[_Chain[Key]]:
    """Give each loop a lane at the right of all that it passes, and its tracks; the short ones first."""
    ends = [max((item.right for item in layer), default=0.0) for layer in layers]
    loops = [chain for chain in chains if chain.back_to]
    loops.sort(key=lambda chain: chain.items[-1].layer - _back(chain).layer)
    below: dict[int, int] = defaultdict(int)
    above: dict[int, int] = defaultdict(int)
    for chain in loops:
        bottom, top = chain.items[-1].layer, _back(chain).layer
        passed = range(top, bottom + 1)
        chain.lane = max(ends[layer] for layer in passed) + LANE
        for layer in passed:
            ends[layer] = chain.lane
        chain.below, chain.above = below[bottom], above[top]
        below[bottom] += 1
        above[top] += 1
    return loops


def _back(chain: _Chain[Key]) -> _Item:
    assert chain.back_to is not None
    return chain.back_to


# -- from top to bottom, and the lines --------------------------------------------------------------


def _measured(
    boxes: Mapping[Key, _Item],
    layers: list[list[_Item]],
    chains: Sequence[_Chain[Key]],
    loops: Sequence[_Chain[Key]],
) -> Layout[Key]:
    """All places, moved so that the left upper corner is 0."""
    left = min((item.left for layer in layers for item in layer), default=0.0)
    for layer in layers:
        for item in layer:
            item.x -= left
    for chain in loops:
        chain.lane -= left
    tops, bottoms, height = _bands(layers, chains)
    places = {
        key: Place(item.left, tops[item.layer], item.size.wide, item.size.high)
        for key, item in boxes.items()
    }
    routes = tuple(_route(chain, tops, bottoms) for chain in chains)
    right = [item.right for layer in layers for item in layer] + [chain.lane for chain in loops]
    return Layout(places, routes, max(right, default=0.0), height)


def _bands(
    layers: list[list[_Item]], chains: Sequence[_Chain[Key]]
) -> tuple[list[float], list[float], float]:
    """Where each layer begins and ends, and where everything ends."""
    below = [0] * (len(layers) + 1)
    above = [0] * (len(layers) + 1)
    for chain in chains:
        if chain.back_to:
            below[chain.items[-1].layer + 1] += 1
            above[chain.back_to.layer] += 1
    tops, bottoms = [], []
    y = 0.0
    for index, layer in enumerate(layers):
        y += TRACK * (below[index] + above[index])
        if index:
            # Lines that go far to the side get more room, so that they are not flat.
            side = max(
                (
                    abs(step.upper.x + step.out - step.lower.x - step.into)
                    for item in layer
                    for step in item.ups
                ),
                default=0.0,
            )
            y += CHANNEL + min(side / 10, CHANNEL)
        if above[index]:
            y += TIP + CORNER
        tops.append(y)
        y += max((item.size.high for item in layer), default=0.0)
        bottoms.append(y)
    if below[-1]:
        y += TRACK * below[-1] + CORNER
    return tops, bottoms, y


def _route(chain: _Chain[Key], tops: Sequence[float], bottoms: Sequence[float]) -> Route:
    """A line's pieces."""
    curves: list[Curve] = []
    for step in chain.steps:
        upper, lower = step.upper, step.lower
        x, y = upper.x + step.out, tops[upper.layer] + upper.size.high
        if upper.is_line:
            y = tops[upper.layer]
        end = lower.x + step.into
        edge, top = bottoms[upper.layer], tops[lower.layer]
        arrives = lower is chain.items[-1] and not chain.back_to
        low = top - TIP if arrives else top
        curves += _down(x, y, edge)
        half = (edge + low) / 2
        curves.append(Curve(((x, edge), (x, half), (end, half), (end, low))))
        if arrives:
            curves += _down(end, low, top)
    if chain.back_to:
        curves += _round(chain, tops, bottoms)
    label = None
    if chain.label:
        item = chain.label
        label = Place(item.left, tops[item.layer], item.size.wide, item.size.high)
    return Route(tuple(curves), label)


def _down(x: float, start: float, end: float) -> list[Curve]:
    return [_straight((x, start), (x, end))] if start != end else []


def _straight(start: Point, end: Point) -> Curve:
    return Curve((start, start, end, end))


def _round(chain: _Chain[Key], tops: Sequence[float], bottoms: Sequence[float]) -> list[Curve]:
    """The way of a loop: into the channel below, up its lane, and in from above."""
    last, target, lane = chain.items[-1], _back(chain), chain.lane
    edge, top = bottoms[last.layer], tops[target.layer]
    x, end = last.x + chain.out, target.x + chain.into
    low = edge + CORNER + TRACK * chain.below
    high = top - TIP - CORNER - TRACK * chain.above
    corners = [(x, edge), (x, low), (lane, low), (lane, high), (end, high), (end, top)]
    pieces = _down(x, tops[last.layer] + last.size.high, edge)
    at = corners[0]
    for before, corner, after in zip(corners, corners[1:], corners[2:], strict=False):
        into = _towards(corner, before)
        away = _towards(corner, after)
        pieces += [_straight(at, into), Curve((into, corner, corner, away))]
        at = away
    return [*pieces, _straight(at, corners[-1])]


def _towards(corner: Point, other: Point) -> Point:
    """A point near a corner, on the way to another point."""
    across, along = other[0] - corner[0], other[1] - corner[1]
    reach = min(CORNER, (abs(across) + abs(along)) / 2)
    if across:
        return (corner[0] + (reach if across > 0 else -reach), corner[1])
    return (corner[0], corner[1] + (reach if along > 0 else -reach))
