"""Looking back and going back, and a document's way in: with a mouse, with keys, on a phone, and without script."""

import re
from typing import Any

import pytest

from tests.browser.conftest import CONTRAST, PHONE, Reader, Site

DECIDE = """
from datetime import UTC, datetime
from configuration import services
from configuration.services import Actor, SetValue, symbol_scope
actor = Actor("user", "1", "rita")
answer = [
    services.change(
        actor=actor, source="cli", reason=reason, now=datetime.now(UTC),
        operations=[SetValue(symbol_scope({symbol!r}), "trading", "stop_loss_pct", value)],
    ).version
    for reason, value in (("A stop of its own", 3.5), ("Wider, it gaps", 4.5))
]
"""
DOCUMENT = """format: tradingsite-configuration-1
namespaces:
  trading:
    symbol:{symbol}:
      stop_loss_pct: 6
      max_retries: 4
"""


def decided_twice(site: Site, symbol: str) -> list[int]:
    """The versions in which the symbol got a stop of 3.5 percent, and then one of 4.5."""
    versions: list[int] = site.facts(DECIDE.format(symbol=symbol))
    return versions


def stop_of(someone: Reader, symbol: str) -> Any:
    return someone.api(f"config/resolve?namespace=trading&symbol={symbol}")["parameters"]["stop_loss_pct"]


def row_of(page: Any, name: str) -> Any:
    return page.locator("tr", has=page.get_by_role("link", name=name, exact=True))


def fits(page: Any) -> bool:
    return bool(page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth"))


def test_time_machine__slider_by_keys_then_back_to_it__is_previewed_and_done_with_a_reason(
    reader: Reader, site: Site
) -> None:
    # Given: a symbol whose stop was widened, and somebody who looks at it
    first, second = decided_twice(site, "TMKEYS")
    reader.sign_in()
    page = reader.page
    reader.open(f"/config/time?symbol=TMKEYS&at_version={second}")

    # When: the slider is moved one version back by its key
    page.get_by_role("slider").press("ArrowLeft")
    page.wait_for_url(re.compile(rf"at_version={first}\b"))
    page.wait_for_load_state("networkidle")

    # Then: the address says what is looked at, the slider is still at hand, and then stands beside now
    assert "slide=" not in page.url
    assert page.evaluate("document.activeElement.type") == "range"
    row = row_of(page, "Stop loss")
    assert "3.5" in row.locator(".then-value").inner_text()
    assert re.search(r"≠\s+4.5", row.locator(".now-value").inner_text())
    assert page.locator("tr.differs").count() == 1

    # When: they go back, only here, and say why
    page.get_by_role("link", name="Roll back to this version").click()
    page.get_by_role("link", name="Only Trading TMKEYS").click()
    page.wait_for_load_state("networkidle")
    assert page.locator("#back .diff li").first.inner_text().split() == [
        "Stop", "loss", "TMKEYS", "4.5", "→", "3.5", "percent",
    ]  # fmt: skip
    page.get_by_label("Why").fill("The gap was a split")
    page.get_by_role("button", name="Roll back exactly this").click()

    # Then: it is a decision of its own, and in force
    page.wait_for_url(re.compile(r"/config/changes/\d+"))
    assert "The gap was a split" in page.inner_text("main")
    assert stop_of(reader, "TMKEYS") == 3.5


def test_time_machine__an_instant__leads_to_the_version_in_force_then(reader: Reader, site: Site) -> None:
    decided_twice(site, "TMTIME")
    reader.sign_in()
    page = reader.page
    reader.open("/config/time?symbol=TMTIME")
    page.fill("#t-time", "2020-01-01T12:00:00")
    page.get_by_role("button", name="Show").click()
    page.wait_for_url(re.compile(r"at_time="))

    assert "was v0" in page.inner_text("main")
    assert "2" in row_of(page, "Stop loss").locator(".then-value").inner_text()  # as shipped


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_import__on_a_phone__is_planned_counted_and_applied(chromium: Any, site: Site, scheme: str) -> None:
    symbol = f"TMPHONE{scheme.upper()}"
    decided_twice(site, symbol)
    someone = Reader(chromium, site, viewport=PHONE, color_scheme=scheme).sign_in()
    page = someone.page
    someone.open("/config/import")
    page.fill("#import-document", DOCUMENT.format(symbol=symbol))
    page.get_by_role("button", name="Show the plan").click()
    page.wait_for_selector("[data-count=created]")

    # the stop is another value, the retries are new, nothing is deleted
    counts = {name: page.inner_text(f"[data-count={name}]").split()[0] for name in ("created", "updated", "deleted")}
    assert counts == {"created": "1", "updated": "1", "deleted": "0"}
    assert fits(page)
    assert page.evaluate(CONTRAST) == []
    assert stop_of(someone, symbol) == 4.5  # nothing is done yet

    page.get_by_label("Why").fill("Agreed with the desk")
    page.get_by_role("button", name="Import exactly this").click()
    page.wait_for_url(re.compile(r"/config/changes/\d+"))
    assert "Agreed with the desk" in page.inner_text("main")
    assert stop_of(someone, symbol) == 6
    someone.check()
    someone.context.close()


def test_import__a_document_with_faults__lists_them_and_keeps_the_text(reader: Reader) -> None:
    reader.sign_in()
    page = reader.page
    reader.open("/config/import")
    wrong = DOCUMENT.format(symbol="TMFAULT").replace("6", "600").replace("max_retries", "max_retry")
    page.fill("#import-document", wrong)
    page.get_by_role("button", name="Show the plan").click()
    page.wait_for_selector("text=2 faults")

    assert "/namespaces/trading/symbol:TMFAULT/max_retry" in page.inner_text("main")
    assert page.input_value("#import-document") == wrong
    assert page.evaluate(CONTRAST) == []
    assert page.get_by_role("button", name="Import exactly this").count() == 0


def test_all_three_pages__without_script__look_back_plan_and_apply(chromium: Any, site: Site) -> None:
    # Given: a browser that runs no script
    first, _ = decided_twice(site, "TMPLAIN")
    someone = Reader(chromium, site, java_script_enabled=False).sign_in()
    page = someone.page

    # When: a version is typed and shown
    someone.open("/config/time?symbol=TMPLAIN")
    page.fill("#t-version", str(first))
    page.get_by_role("button", name="Show").click()
    page.wait_for_url(re.compile(rf"at_version={first}\b"))
    assert "3.5" in row_of(page, "Stop loss").locator(".then-value").inner_text()

    # and a document is planned and applied
    someone.open("/config/import")
    page.fill("#import-document", DOCUMENT.format(symbol="TMPLAIN"))
    page.get_by_role("button", name="Show the plan").click()
    page.get_by_label("Why").fill("By hand")
    page.get_by_role("button", name="Import exactly this").click()
    page.wait_for_url(re.compile(r"/config/changes/\d+"))

    # Then: it is in force, and the cockpit tells of it
    assert stop_of(someone, "TMPLAIN") == 6
    someone.open("/config")
    assert "By hand" in page.inner_text("main")
    assert someone.problems == []
    someone.context.close()


def test_cockpit__of_a_running_site__names_its_process_and_offers_the_export(reader: Reader) -> None:
    reader.sign_in()
    page = reader.page
    reader.open("/config")

    assert page.get_by_role("heading", name="Who runs on what").is_visible()
    assert page.locator(".note-box.bad").count() == 0
    with page.expect_download() as download:
        page.get_by_role("link", name="YAML").click()
    assert re.fullmatch(r"configuration-v\d+\.yaml", download.value.suggested_filename)
    assert download.value.path().read_text("utf-8").startswith("format: tradingsite-configuration-1\n")


def test_cockpit__left_open__follows_what_is_decided_and_says_when_it_cannot(reader: Reader, site: Site) -> None:
    # Given: somebody who has the cockpit open while others decide
    reader.sign_in()
    page = reader.page
    reader.open("/config")
    _, newest = decided_twice(site, "TMFOLLOW")

    # Then: it follows by itself
    page.get_by_role("link", name=f"v{newest}", exact=True).first.wait_for(timeout=30_000)
    assert page.get_by_text("not refreshed any more").is_hidden()

    # When: the server is out of reach
    page.route("**/config", lambda route: route.abort())
    page.get_by_text("not refreshed any more").wait_for(timeout=30_000)
    reader.problems.clear()  # the browser's own complaint of it
