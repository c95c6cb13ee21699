"""Pages in a real browser."""


def opened(browser, path, *, pictures, width, **options):
    """Open a page, see that it draws, needs no network, has no errors, and is as wide as the window."""
    page = browser.new_page(viewport={"width": width, "height": 900}, **options)
    asked, errors = [], []
    page.on("request", lambda request: asked.append(request.url))
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    page.goto(path.as_uri())
    page.wait_for_function(f"document.querySelectorAll('figure .bk-Figure').length === {pictures}")
    assert errors == []
    assert all(url.startswith(("file:", "data:")) for url in asked)
    assert page.evaluate("document.documentElement.scrollWidth") == width
    return page
