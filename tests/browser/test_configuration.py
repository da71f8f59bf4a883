"""What people ask of configuration: why a value is what it is, and how to have it back; by mouse, keyboard, phone."""

from typing import Any

import pytest

from tests.browser.conftest import CONTRAST, PHONE, Reader, Site

DECIDE = """
from datetime import UTC, datetime
from configuration import services
from configuration.services import GLOBAL, Actor, SetValue, side_scope, symbol_scope
rita = Actor("user", "0", "Rita Risk")
for scope, leverage, reason in (
    (GLOBAL, 5, "House limit"),
    (symbol_scope("BTCUSDT"), 10, "Liquid enough"),
    (side_scope("BTCUSDT", "LONG"), 25, "Trend is up"),
    (side_scope("BTCUSDT", "LONG"), 20, "Back to the median"),
):
    wanted = [SetValue(scope, "trading", "leverage", leverage)]
    done = services.change(
        actor=rita, source="admin", reason=reason, operations=wanted, now=datetime.now(UTC)
    )
answer = done.version
"""
PUT_BACK = """
from datetime import UTC, datetime
from configuration import services
from configuration.services import GLOBAL, Actor, ClearScope, side_scope, symbol_scope
rita = Actor("user", "0", "Rita Risk")
scopes = (GLOBAL, symbol_scope("BTCUSDT"), side_scope("BTCUSDT", "LONG"))
services.change(
    actor=rita, source="admin", reason="The test is over", now=datetime.now(UTC),
    operations=[ClearScope(scope, "trading") for scope in scopes],
)
answer = None
"""


@pytest.fixture
def decided(site: Site) -> Any:
    """BTCUSDT's long side trades with leverage 20, over 10, 5 and the default; the version that made it so."""
    yield site.facts(DECIDE)
    site.facts(PUT_BACK)


def leverage(reader: Reader) -> Any:
    told = reader.api("config/explain?namespace=trading&parameter=leverage&symbol=BTCUSDT&side=LONG")
    return told["value"]


def test_why__asked_from_any_page__is_answered_and_taken_back_in_three_clicks_each(
    reader: Reader, decided: int
) -> None:
    # Given: a risk manager on the first page, who wonders why BTC's long side has leverage 20
    reader.sign_in()
    page = reader.page

    # When: search (1), the words, the first answer (2)
    page.click("[data-palette]")
    page.keyboard.type("btc long lev")
    page.locator("#palette-hits [role=option]", has_text="20 x").first.click()
    page.wait_for_url("**/config/effective?**")

    # Then: the row is open, in sight, and tells who, why, and what loses
    row, layers = page.locator("tr#leverage"), page.locator("tr#leverage + tr .layers")
    assert "Back to the median" in row.inner_text()
    assert "Rita Risk" in row.inner_text()
    assert layers.is_visible()
    assert row.evaluate(
        "row => { const r = row.getBoundingClientRect(); return r.top >= 0 && r.bottom <= innerHeight }"
    )
    assert layers.locator("s").all_inner_texts() == ["10", "5", "10"]
    assert layers.locator(".wins b").inner_text() == "20 x"

    # When: the version (1), revert this (2), why, revert now (3)
    row.get_by_role("link", name=f"v{decided}").click()
    page.wait_for_url(f"**/config/changes/{decided}")
    page.get_by_role("link", name="Revert this").click()
    way = page.locator("#way")
    way.wait_for()
    assert way.locator(".was").inner_text() == "20"
    assert way.locator(".now").inner_text() == "25"
    way.get_by_label("Why").fill("The median was of another exchange")
    way.get_by_role("button", name="Revert now").click()
    page.wait_for_url(f"**/config/changes/{decided + 1}")

    # Then: it is 25 again, as a new version with its reason
    assert "Taken back" in page.inner_text(".flash")
    assert "The median was of another exchange" in page.inner_text("h1 ~ .sub")
    assert leverage(reader) == 25


def test_palette__by_keyboard_alone__opens_chooses_closes_and_leads_there(reader: Reader, decided: int) -> None:
    reader.sign_in()
    page = reader.page

    page.keyboard.press("Control+k")
    page.keyboard.type("btc long lev")
    page.locator("#palette-hits [role=option]").nth(1).wait_for()
    field = page.locator("#palette input")
    assert field.get_attribute("aria-activedescendant") == "palette-hit-0"
    page.keyboard.press("ArrowDown")
    assert field.get_attribute("aria-activedescendant") == "palette-hit-1"
    assert page.locator("#palette-hit-1").get_attribute("aria-selected") == "true"
    assert page.evaluate(CONTRAST) == []
    page.keyboard.press("Escape")
    assert not page.locator("#palette").is_visible()

    page.keyboard.press("Control+k")
    page.keyboard.press("Enter")
    page.wait_for_url("**/config/effective?**symbol=BTCUSDT**#leverage")
    assert page.locator("tr#leverage + tr .layers").is_visible()


def test_row__opened_and_closed_by_keyboard__shows_and_hides_its_layers(reader: Reader) -> None:
    reader.sign_in()
    page = reader.page
    reader.open("/config/effective")
    layers = page.locator("tr#max_retries + tr .layers")

    assert not layers.is_visible()
    page.locator("tr#max_retries summary").focus()
    page.keyboard.press("Enter")
    assert layers.is_visible()
    page.keyboard.press("Enter")
    assert not layers.is_visible()


def test_pickers__a_side_chosen__shows_its_page_at_an_address_without_empty_parts(reader: Reader, decided: int) -> None:
    reader.sign_in()
    page = reader.page
    reader.open("/config/effective?symbol=BTCUSDT")

    page.select_option("#pick-side", "LONG")
    page.wait_for_url("**/config/effective?namespace=trading&symbol=BTCUSDT&side=LONG")
    assert "20 x" in page.locator("tr#leverage").inner_text()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_phone__every_state_of_the_pages__fits_and_is_legible(
    chromium: Any, site: Site, decided: int, scheme: Any
) -> None:
    someone = Reader(chromium, site, viewport={**PHONE, "width": 390}, color_scheme=scheme).sign_in()
    page = someone.page
    for path in (
        "/config/effective?symbol=BTCUSDT&side=LONG&open=leverage&with=global",
        "/config/effective?q=btc+long+lev",
        "/config/effective?only=overridden&symbol=NONE&changed_since=99999",
        "/config/changes?namespace=trading&parameter=leverage&symbol=BTCUSDT&side=LONG",
        "/config/changes?reason=nobody+ever+said+that",
        f"/config/changes/{decided}?revert=before",
        f"/config/changes/{decided - 1}?revert=this",
    ):
        someone.open(path)
        assert page.evaluate("document.documentElement.scrollWidth") <= 390, path
        assert page.evaluate(CONTRAST) == [], path
    page.click("[data-palette]")
    page.keyboard.type("btc long lev")
    page.locator("#palette-hits [role=option]").first.wait_for()
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert page.evaluate(CONTRAST) == []
    someone.check()
    someone.context.close()


def test_without_script__search_row_and_revert__work(chromium: Any, site: Site, decided: int) -> None:
    someone = Reader(chromium, site, java_script_enabled=False).sign_in()
    page = someone.page

    page.click("[data-palette]")  # a plain link
    page.fill("#find-q", "btc long lev")
    page.get_by_role("button", name="Find").click()
    page.locator(".hits a").first.click()
    assert page.locator("tr#leverage + tr .layers").is_visible()
    page.locator("tr#leverage").get_by_role("link", name=f"v{decided}").click()
    assert "curl -X POST" in page.inner_text("#curl")
    page.get_by_role("link", name="Revert this").click()
    page.fill("#way-reason", "It was wrong")
    page.get_by_role("button", name="Revert now").click()

    assert "Taken back" in page.inner_text(".flash")
    assert leverage(someone) == 25
    someone.context.close()
