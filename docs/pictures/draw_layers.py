"""Draw the layers that tests/test_layers.py keeps: python docs/pictures/draw_layers.py writes docs/layers.svg."""

import ast
from pathlib import Path
from xml.sax.saxutils import escape

ROOT = Path(__file__).parents[2]
WIDTH, MARGIN, ROW, BOX, LETTER = 860, 20, 34, 24, 7.4
STYLE = (
    "rect{fill:#f3f6fa;stroke:#5b7b9a}text{fill:#1d2b38;font:12px monospace;text-anchor:middle}"
    "@media(prefers-color-scheme:dark){rect{fill:#22303c;stroke:#8fb0cf}text{fill:#e8eef4}}"
)


def layers() -> list[list[str]]:
    """Return the parts of each layer, the lowest first, as the test names them."""
    tree = ast.parse((ROOT / "tests" / "test_layers.py").read_text(encoding="utf-8"))
    [found] = [
        node.value for node in tree.body if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "LAYERS"
    ]
    return [sorted(parts) for parts in ast.literal_eval(found)]


def drawn() -> str:
    """Return the picture: a row for each layer, the command line on top."""
    rows = layers()[::-1]
    height = 2 * MARGIN + ROW * len(rows)
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img">',
        "<title>Each part imports only from rows below its own</title>",
        f"<style>{STYLE}</style>",
    ]
    for place, parts in enumerate(rows):
        widths = [LETTER * len(part) + 14 for part in parts]
        left = (WIDTH - sum(widths) - 8 * (len(parts) - 1)) / 2
        top = MARGIN + ROW * place
        for part, width in zip(parts, widths, strict=True):
            lines.append(f'<rect x="{left:.0f}" y="{top}" width="{width:.0f}" height="{BOX}" rx="5"/>')
            lines.append(f'<text x="{left + width / 2:.0f}" y="{top + 16}">{escape(part)}</text>')
            left += width + 8
    return "\n".join([*lines, "</svg>"]) + "\n"


if __name__ == "__main__":
    (ROOT / "docs" / "layers.svg").write_text(drawn(), encoding="utf-8")
