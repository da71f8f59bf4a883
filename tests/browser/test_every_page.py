"""What holds on every page: no policy violation, nothing in the console, legible, narrow enough for a phone."""

from typing import Any

import pytest

from tests.browser.conftest import CONTRAST, PHONE, Reader, Site

PAGES = {
    "overview": "/",
    "bots": "/bots",
    "bot": "/bots/{bot}",
    "backtests": "/backtests",
    "result": "/backtests/{id}",
    "decision": "/backtests/{id}/decisions/{row}",
    "editor": "/config/edit/AAPL",
    "editor of a side": "/config/edit/AAPL/LONG#stop_loss_pct",
    "editor of what is not installed": "/config/edit/global?namespace=weather",
    "matrix": "/config/matrix?sides=1",
    "datasets": "/data",
    "dataset": "/data/{dataset}",
    "import": "/data/import",
    "cockpit": "/config",
    "time machine": "/config/time?at_version=1&back=all",
    "configuration import": "/config/import",
    "snapshot": "/snapshots/{snapshot}",
    "configuration in force": "/config/effective?symbol=AAPL&side=LONG&open=leverage",
    "configuration history": "/config/changes?namespace=trading&parameter=stop_loss_pct",
    "configuration change": "/config/changes/1",
    "configuration taken back": "/config/changes/1?revert=before",
    "credits": "/credits",
    "not found": "/no-such-page",
}

DISTINCT_COLOURS = """canvas => {
  const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
  return new Set(new Uint32Array(data.buffer)).size;
}"""


@pytest.fixture(scope="module", params=["light", "dark"])
def signed_in(request: pytest.FixtureRequest, chromium: Any, site: Site, finished_run: dict[str, Any]) -> Any:
    """Somebody signed in, once for all pages, with a window as narrow as a small phone in the dark theme."""
    context: dict[str, Any] = {"color_scheme": request.param}
    if request.param == "dark":
        context["viewport"] = PHONE
    someone = Reader(chromium, site, **context).sign_in()
    yield someone
    someone.context.close()


@pytest.mark.parametrize("name", PAGES)
def test_page__in_light_wide_and_dark_narrow__is_clean_legible_and_fits(
    signed_in: Reader, finished_run: dict[str, Any], name: str
) -> None:
    response = signed_in.open(PAGES[name].format(**finished_run))
    page = signed_in.page

    assert response.status == (404 if name == "not found" else 200)
    signed_in.check()
    assert page.evaluate(CONTRAST) == []
    width = page.evaluate("document.documentElement.clientWidth")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert "no real money" in page.inner_text(".mode-strip")
    assert "unsafe" not in response.headers["content-security-policy"]


@pytest.mark.parametrize("name", ["overview", "result", "dataset"])
def test_charts__in_light_and_dark__are_painted_and_credit_their_maker(
    signed_in: Reader, finished_run: dict[str, Any], name: str
) -> None:
    signed_in.open(PAGES[name].format(**finished_run))
    page = signed_in.page
    page.wait_for_selector(".chart canvas")
    page.wait_for_timeout(300)

    colours = [canvas.evaluate(DISTINCT_COLOURS) for canvas in page.query_selector_all(".chart canvas")]
    assert max(colours) > 10  # lines, fills, texts; an empty chart has one or two
    assert page.locator('.chart-foot a[href="https://www.tradingview.com/"]').count() >= 1


def test_sign_in_page__for_a_stranger__is_clean_legible_and_fits(chromium: Any, site: Site) -> None:
    for context in ({"color_scheme": "light"}, {"color_scheme": "dark", "viewport": PHONE}):
        stranger = Reader(chromium, site, **context)
        stranger.open("/bots")
        assert "/login?next=/bots" in stranger.page.url
        stranger.check()
        assert stranger.page.evaluate(CONTRAST) == []
        assert stranger.page.evaluate("document.documentElement.scrollWidth") <= stranger.page.viewport_size["width"]
        stranger.context.close()


def test_policy__an_injected_script__does_not_run(chromium: Any, site: Site) -> None:
    stranger = Reader(chromium, site)
    stranger.open("/login")
    stranger.page.evaluate(
        """() => {
            const script = document.createElement("script");
            script.textContent = "window.injected = 1";
            document.body.append(script);
        }"""
    )
    assert stranger.page.evaluate("window.injected") is None
    assert stranger.page.evaluate("window.violations.length") == 1
    stranger.context.close()


def test_keyboard__on_a_result__reaches_the_content_and_the_definitions(
    reader: Reader, finished_run: dict[str, Any]
) -> None:
    reader.sign_in()
    page = reader.page
    reader.open(f"/backtests/{finished_run['id']}")

    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.locator("[data-metric=sharpe] button").focus()
    definition = page.locator("[data-metric=sharpe] [role=tooltip]")
    assert definition.is_visible()
    page.keyboard.press("Escape")
    assert not definition.is_visible()
