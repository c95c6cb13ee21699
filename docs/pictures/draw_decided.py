"""Draw how a comparison is decided: python docs/pictures/draw_decided.py writes docs/pictures/compare-decided.svg.

The figures are made up: what matters is their order, from a search over a verdict to an answer.
"""

import math
from collections.abc import Iterator
from pathlib import Path
from xml.sax.saxutils import escape

WIDTH, HEIGHT, PANEL, TOP, BOTTOM = 960, 330, 288, 74, 262
LEFTS = (20, 336, 652)
COLOURS = {"cosine()": "#E69F00", "linear()": "#0091D5", "step()": "#CC79A7"}
STYLE = (
    "text{fill:#1d2b38;font:13px sans-serif}.title{font-weight:600;font-size:15px}.quiet{fill:#666}"
    ".axis,.zero{stroke:#777;fill:none}.zero{stroke-dasharray:4 4}.band{fill:#777;opacity:.15}"
    ".shared{stroke:#777;stroke-width:8;opacity:.3;fill:none}"
    "@media(prefers-color-scheme:dark){text{fill:#e8eef4}.quiet{fill:#aaa}}"
)
OFFSETS = {"cosine()": (0.0, -10), "linear()": (4.0, -2), "step()": (-3.0, 9)}
TRIED = {"cosine()": (-62, -22, 26), "linear()": (-30, 12, 48), "step()": (-48, -8, 70)}
ENDS = {"cosine()": (-42, 30, 4, "better"), "linear()": (-2, 46, 10, "not told apart"), "step()": (38, 34, 3, "worse")}
"""Where each difference lies and half of its first interval, in pixels; after how many seeds it ends, and how."""
SEEDS = range(3, 11)


def text(x: float, y: float, words: str, kind: str = "", anchor: str = "start") -> str:
    """Return a line of text."""
    return f'<text x="{x:.0f}" y="{y:.0f}" class="{kind}" text-anchor="{anchor}">{escape(words)}</text>'


def heading(left: int, title: str, *lines: str) -> list[str]:
    """Return a panel's title, and what it says below."""
    below = [text(left, 292 + 19 * place, line, "quiet") for place, line in enumerate(lines)]
    return [text(left, 26, title, "title"), *below]


def search(left: int) -> Iterator[str]:
    """Draw the first panel: the loss by rate, one curve for all, and the rates that were tried."""
    yield from heading(
        left,
        "1  Search the rates, with one seed",
        "Rates are tried near the curve that all share.",
        "A ring is the rate that is chosen.",
    )
    middle = left + PANEL / 2
    curve = [(middle + x, 210 - x * x / 90) for x in range(-100, 101, 4)]
    yield f'<path class="shared" d="M{" L".join(f"{x:.0f} {y:.1f}" for x, y in curve)}"/>'
    yield f'<path class="axis" d="M{left} {TOP - 20}V{BOTTOM - 12}H{left + PANEL}"/>'
    yield text(left + 6, TOP - 8, "loss", "quiet")
    yield text(left + PANEL, BOTTOM + 4, "initial rate", "quiet", "end")
    for name, colour in COLOURS.items():
        shift, height = OFFSETS[name]
        dots = [(middle + x + shift, 210 - height - x * x / 90) for x in TRIED[name]]
        yield from (f'<circle cx="{x:.0f}" cy="{y:.1f}" r="4.5" fill="{colour}"/>' for x, y in dots)
        x, y = max(dots, key=lambda dot: dot[1])
        yield f'<circle cx="{x:.0f}" cy="{y:.1f}" r="9" fill="none" stroke="{colour}" stroke-width="2"/>'


def verdict(left: int) -> Iterator[str]:
    """Draw the second panel: intervals that shrink with every fresh seed, until each is settled."""
    yield from heading(
        left,
        "2  Add fresh seeds, one at a time",
        "A strategy ends when its interval settles it,",
        "or at the cap: 10 seeds.",
    )
    zero, unit = 160, (PANEL - 50) / len(SEEDS)
    yield f'<path class="axis" d="M{left} {TOP - 20}V{BOTTOM - 12}H{left + PANEL}"/>'
    yield f'<rect class="band" x="{left}" y="{zero - 8}" width="{PANEL}" height="16"/>'
    yield f'<path class="zero" d="M{left} {zero}H{left + PANEL}"/>'
    yield text(left + 6, TOP - 8, "difference to the baseline", "quiet")
    for count in SEEDS:
        yield text(left + 22 + unit * (count - 3), BOTTOM + 4, str(count), "quiet", "middle")
    yield text(left + PANEL, BOTTOM + 4, "seeds", "quiet", "end")
    for place, (name, colour) in enumerate(COLOURS.items()):
        at, half, last, _ = ENDS[name]
        for count in range(3, last + 1):
            x, y = left + 16 + unit * (count - 3) + 6 * place, zero - at
            size = half * math.sqrt(3 / count) * (1.0 if count == 3 else 0.85)
            yield f'<path d="M{x:.0f} {y - size:.0f}V{y + size:.0f}" stroke="{colour}" stroke-width="3"/>'
            yield f'<circle cx="{x:.0f}" cy="{y}" r="3.5" fill="{colour}"/>'


def answer(left: int) -> Iterator[str]:
    """Draw the third panel: the intervals that are left, each with its word."""
    yield from heading(
        left,
        "3  Read the answer off the intervals",
        "“cosine() comes first. It beats constant()",
        "by 5 to 13 %. linear() may be as good.”",
    )
    zero = left + 160
    yield f'<rect class="band" x="{zero - 8}" y="{TOP - 14}" width="16" height="{BOTTOM - TOP + 2}"/>'
    yield f'<path class="zero" d="M{zero} {TOP - 14}V{BOTTOM - 12}"/>'
    yield f'<path class="axis" d="M{left} {BOTTOM - 12}H{left + PANEL}"/>'
    yield text(zero, BOTTOM + 4, "0 %", "quiet", "middle")
    for place, (name, colour) in enumerate(COLOURS.items()):
        at, half, last, word = ENDS[name]
        x, y, size = (
            zero + 1.6 * at,
            TOP + 34 + 58 * place,
            1.3 * half * math.sqrt(3 / last) * (0.85 if last > 3 else 1.0),
        )
        yield text(left, y - 14, f"{name}: {word}")
        yield f'<path d="M{x - size:.0f} {y}H{x + size:.0f}" stroke="{colour}" stroke-width="3"/>'
        yield f'<circle cx="{x:.0f}" cy="{y}" r="4.5" fill="{colour}"/>'


def drawn() -> str:
    """Return the picture: three panels, and what each colour is."""
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img">',
        "<title>A comparison searches the rates, adds fresh seeds, and reads the answer off the intervals</title>",
        f"<style>{STYLE}</style>",
    ]
    for panel, left in zip((search, verdict, answer), LEFTS, strict=True):
        lines += panel(left)
    return "\n".join([*lines, "</svg>"]) + "\n"


if __name__ == "__main__":
    Path(__file__).with_name("compare-decided.svg").write_text(drawn(), encoding="utf-8")
