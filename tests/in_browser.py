"""Pages in a real browser: opened without a network, and measured."""

WATCHED = """
(() => {
  // Every text that a picture draws, with its corners on its canvas; a canvas that is cleared forgets its texts.
  window.texts = new Map();
  const drawing = CanvasRenderingContext2D.prototype, [fill, clear] = [drawing.fillText, drawing.clearRect];
  drawing.clearRect = function (...box) { window.texts.delete(this.canvas); return clear.apply(this, box); };
  drawing.fillText = function (text, x, y, ...rest) {
    const size = this.measureText(text), at = this.getTransform();
    const xs = [x - size.actualBoundingBoxLeft, x + size.actualBoundingBoxRight];
    const ys = [y - size.actualBoundingBoxAscent, y + size.actualBoundingBoxDescent];
    const corners = xs.flatMap(left => ys.map(top => at.transformPoint(new DOMPoint(left, top))));
    if (!window.texts.has(this.canvas)) window.texts.set(this.canvas, []);
    window.texts.get(this.canvas).push({text, corners: corners.map(corner => [corner.x, corner.y])});
    return fill.call(this, text, x, y, ...rest);
  };
})()
"""


def opened(browser, path, *, pictures, width, **options):
    """Open a page, see that it draws, needs no network, has no errors, and is as wide as the window."""
    page = browser.new_page(viewport={"width": width, "height": 900}, **options)
    asked, errors = [], []
    page.on("request", lambda request: asked.append(request.url))
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    page.add_init_script(WATCHED)
    page.goto(path.as_uri())
    page.wait_for_function(f"document.querySelectorAll('figure .bk-Figure').length === {pictures}")
    assert errors == []
    assert all(url.startswith(("file:", "data:")) for url in asked)
    assert page.evaluate("document.documentElement.scrollWidth") == width
    return page


def open_all_details(page):
    """Open what is folded, and wait until it has its size."""
    page.evaluate("document.querySelectorAll('details').forEach(each => { each.open = true })")
    page.wait_for_function(
        "[...document.querySelectorAll('figure .bk-Figure')].every(each => each.getBoundingClientRect().width > 200)"
    )
    page.wait_for_timeout(300)  # pictures are drawn anew in the frames that follow


def boxes(page):
    """Return for each table by how much its box is too narrow, whether that is said, and whether it takes the focus."""
    return page.evaluate(
        """[...document.querySelectorAll('table')].map(table => {
            const box = table.closest('.scroll');
            return [table.scrollWidth - box.clientWidth, getComputedStyle(box, '::before').content !== 'none',
                    box.tabIndex === 0];
        })"""
    )


def drawn_texts(page):
    """Return every text in the pictures, and whether it lies inside its canvas."""
    return page.evaluate(
        """[...window.texts].filter(([canvas]) => canvas.isConnected || canvas.getRootNode().host)
            .flatMap(([canvas, texts]) => texts.map(({text, corners}) => [text, corners.every(
                ([x, y]) => x >= -1 && y >= -1 && x <= canvas.width + 1 && y <= canvas.height + 1)]))"""
    )
