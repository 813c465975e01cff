"""Draws how operations grow with a store: both axes logarithmic, a line for each operation, its name at the end."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from xml.sax.saxutils import escape

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 920, 560, 70, 300, 20, 50
_COLOURS = ("#1b6ca8", "#c8553d", "#2e8b57", "#8e44ad", "#b8860b", "#16808a", "#d1495b", "#5d6d7e", "#3f51b5", "#7a9a01")
_APART = 15


def plot(sizes: Sequence[int], found: Mapping[str, Sequence[float]]) -> str:
    """An SVG. ``found``: operation → microseconds for each of ``sizes``."""
    most = math.ceil(math.log10(max(max(medians) for medians in found.values())))
    least = math.floor(math.log10(min(min(medians) for medians in found.values())))
    first, last = math.log10(sizes[0]), math.log10(sizes[-1])

    def x(size: float) -> float:
        return LEFT + (math.log10(size) - first) / max(last - first, 1e-9) * (WIDTH - LEFT - RIGHT)

    def y(took: float) -> float:
        return HEIGHT - BOTTOM - (math.log10(took) - least) / (most - least) * (HEIGHT - TOP - BOTTOM)

    parts = [_line([(LEFT, y(10**n)), (WIDTH - RIGHT, y(10**n))], "#ddd", 1) for n in range(least, most + 1)]
    parts += [_text(LEFT - 8, y(10**n) + 4, _duration(10**n), "#444", "end") for n in range(least, most + 1)]
    parts += [_text(x(size), HEIGHT - BOTTOM + 20, f"{size:,}", "#444", "middle") for size in sizes]
    parts.append(_text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 8, "sessions in the store", "#444", "middle"))
    ends = _spread({name: y(medians[-1]) for name, medians in found.items()})
    for number, (name, medians) in enumerate(found.items()):
        colour = _COLOURS[number % len(_COLOURS)]
        parts.append(_line([(x(size), y(took)) for size, took in zip(sizes, medians, strict=True)], colour, 2))
        parts.append(_line([(WIDTH - RIGHT, y(medians[-1])), (WIDTH - RIGHT + 14, ends[name])], colour, 1))
        parts.append(_text(WIDTH - RIGHT + 18, ends[name] + 4, f"{name}: {_duration(medians[-1])}", colour, "start"))
    style = "<style>text{font:12px sans-serif}</style>"
    ground = f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img">'
    return "\n".join([head, style, ground, *parts, "</svg>"]) + "\n"


def _spread(ends: Mapping[str, float]) -> dict[str, float]:
    """Where names stand, so that none covers another."""
    placed: dict[str, float] = {}
    lowest = -math.inf
    for name, at in sorted(ends.items(), key=lambda each: each[1]):
        lowest = placed[name] = max(at, lowest + _APART)
    over = max(placed.values()) - (HEIGHT - BOTTOM)
    return {name: at - max(0, over) for name, at in placed.items()}


def _duration(microseconds: float) -> str:
    if microseconds < 1000:
        return f"{microseconds:.0f} µs"
    return f"{microseconds / 1000:.3g} ms"


def _line(points: Sequence[tuple[float, float]], colour: str, width: int) -> str:
    places = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    return f'<polyline points="{places}" fill="none" stroke="{colour}" stroke-width="{width}"/>'


def _text(x: float, y: float, text: str, colour: str, anchor: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" fill="{colour}" text-anchor="{anchor}">{escape(text)}</text>'
