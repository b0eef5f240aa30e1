"""Plots as inline SVG: no script, no outside resource, every text escaped."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from markupsafe import Markup

REAL, SIM, SOFT, GRID = "#0f766e", "#b45309", "#667085", "#e4e7ec"


class Plot:
    """A box of `width` x `height` with axes; data coordinates are shares of it, from its lower left corner."""

    def __init__(
        self, width: int, height: int, title: str, *, left: int = 46, below: int = 40, right: int = 14, above: int = 12
    ) -> None:
        self.width, self.height = width, height
        self._title = title
        self._box = (-left, -above, width + left + right, height + below + above)
        self._parts: list[str] = []

    @property
    def outer(self) -> tuple[int, int]:
        """Width and height in pixels, captions included."""
        return self._box[2], self._box[3]

    def x(self, share: float) -> float:
        """Pixels from the left."""
        return self.width * share

    def y(self, share: float) -> float:
        """Pixels from the top."""
        return self.height * (1 - share)

    def line(
        self, x1: float, y1: float, x2: float, y2: float, colour: str, *, width: float = 1, dash: str = ""
    ) -> None:
        """A line between two points in pixels."""
        more = f' stroke-dasharray="{dash}"' if dash else ""
        self._parts.append(
            f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{colour}" '
            f'stroke-width="{width:g}"{more}/>'
        )

    def dot(self, x: float, y: float, colour: str, radius: float = 5) -> None:
        """A point."""
        self._parts.append(
            f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius:g}" fill="{colour}" stroke="#fff" stroke-width="1"/>'
        )

    def box(self, x: float, y: float, width: float, height: float, colour: str) -> None:
        """A filled rectangle."""
        self._parts.append(
            f'<rect x="{x:.1f}" y="{y:.1f}" width="{max(width, 0):.1f}" height="{max(height, 0):.1f}" fill="{colour}"/>'
        )

    def path(self, points: Sequence[tuple[float, float]], colour: str, *, width: float = 2.5, dash: str = "") -> None:
        """A line through points in pixels."""
        more = f' stroke-dasharray="{dash}"' if dash else ""
        text = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        self._parts.append(
            f'<polyline points="{text}" fill="none" stroke="{colour}" stroke-width="{width:g}" '
            f'stroke-linejoin="round"{more}/>'
        )

    def text(self, x: float, y: float, text: str, *, anchor: str = "start", colour: str = SOFT, size: int = 11) -> None:
        """A label; its text is escaped."""
        self._parts.append(
            f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="{size}" fill="{colour}">'
            f"{escape(text)}</text>"
        )

    def axes(self, across: str, up: str, *, shares: Sequence[float] = (0, 0.25, 0.5, 0.75, 1)) -> None:
        """Grid and captions; the upright axis is in percent."""
        for value in shares:
            self.line(0, self.y(value), self.width, self.y(value), GRID)
            self.text(-8, self.y(value) + 4, f"{100 * value:.0f}%", anchor="end")
        self.line(0, self.height, self.width, self.height, "#98a2b3")
        self.text(self.width, self.height + 34, across, anchor="end")
        if up:
            self.text(0, -2 if self._box[1] < -8 else 0, up)

    def svg(self) -> Markup:
        """The whole plot."""
        x, y, width, height = self._box
        return Markup(  # noqa: S704  (numbers and colours of ours; all text went through `escape`)
            f'<svg viewBox="{x} {y} {width} {height}" role="img" aria-label="{escape(self._title)}">'
            f"{''.join(self._parts)}</svg>"
        )


def picture(plots: Sequence[Plot], font: str = "system-ui, sans-serif") -> str:
    """Plots under each other as one SVG document, a file of its own: on white, with nothing from outside."""
    width = max(plot.outer[0] for plot in plots)
    height = sum(plot.outer[1] for plot in plots)
    parts, top = [], 0
    for plot in plots:
        wide, tall = plot.outer
        parts.append(str(plot.svg()).replace("<svg ", f'<svg y="{top}" width="{wide}" height="{tall}" ', 1))
        top += tall
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
        f'font-family="{escape(font)}"><rect width="100%" height="100%" fill="#fff"/>{"".join(parts)}</svg>\n'
    )
