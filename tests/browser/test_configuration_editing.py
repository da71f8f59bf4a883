"""Changing configuration in a browser: live preview, two people at once, twenty symbols at once, without scripts."""

import re
import secrets
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.browser.conftest import CONTRAST, Reader, Site

NARROW = {"width": 390, "height": 844}
Reading = Callable[..., Reader]


@pytest.fixture
def people(chromium: Any, site: Site) -> Iterator[Reading]:
    """Makes people who are signed in; at the end nothing may have been complained of on their pages."""
    everybody: list[Reader] = []

    def somebody(**context: Any) -> Reader:
        everybody.append(Reader(chromium, site, **context).sign_in())
        return everybody[-1]

    yield somebody
    for one in everybody:
        one.check()
        one.context.close()


@pytest.fixture
def symbol() -> str:
    """A symbol nobody has configured: the tests share one installation."""
    return f"T{secrets.token_hex(4).upper()}"


def value_of(reader: Reader, symbol: str, name: str) -> Any:
    return reader.api(f"config/trading/{symbol}")["parameters"][name]


def apply(page: Any, reason: str) -> None:
    """Says why, waits until the preview says that it can be applied, and applies it."""
    page.fill("#reason", reason)
    page.wait_for_selector("[data-apply]:not([disabled])")
    page.click("[data-apply]")
    page.wait_for_selector(".flash.good")


def test_editor__typed_value__is_previewed_live_and_applied_once_a_reason_is_given(
    people: Reading, symbol: str
) -> None:
    someone = people()
    page = someone.page
    someone.open(f"/config/edit/{symbol}")
    assert page.is_disabled("[data-apply]")

    page.fill("#value-stop_loss_pct", "3.5")
    page.wait_for_selector(".diff-name:has-text('Stop loss')")
    assert page.is_checked("[name='mode.stop_loss_pct'][value=set]")
    assert page.is_disabled("[data-apply]")  # no reason yet
    page.fill("#value-leverage", "500")
    page.wait_for_selector("#faults-leverage .fault")
    assert page.is_disabled("[data-apply]")
    page.fill("#value-leverage", "4")
    page.wait_for_selector("#faults-leverage:not(:has(.fault))", state="attached")
    apply(page, "Calmer week")

    assert value_of(someone, symbol, "stop_loss_pct") == 3.5
    assert value_of(someone, symbol, "leverage") == 4


def test_weights__typed_as_pairs__show_their_sum(people: Reading, symbol: str) -> None:
    someone = people()
    someone.open(f"/config/edit/{symbol}")
    someone.page.fill("#value-timeframe_weights", "1h=0.1\n4h=0.2")

    assert someone.page.inner_text("#timeframe_weights [data-sum]") == "Sum 0.3"  # not 0.30000000000000004


def test_editor__only_with_the_keyboard__is_filled_previewed_and_applied(people: Reading, symbol: str) -> None:
    someone = people()
    page = someone.page
    someone.open(f"/config/edit/{symbol}")
    page.evaluate("document.activeElement.blur()")

    page.keyboard.press("/")
    page.keyboard.type("stop loss")
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "value-stop_loss_pct"
    page.keyboard.type("3.5")
    page.wait_for_selector("[data-ready]")
    page.keyboard.press("Control+Enter")  # no reason yet: leads to it
    assert page.evaluate("document.activeElement.id") == "reason"
    page.keyboard.type("Calmer week")
    page.keyboard.press("Control+Enter")
    page.wait_for_selector(".flash.good")

    assert value_of(someone, symbol, "stop_loss_pct") == 3.5


def test_editor__enter_in_a_field__never_applies(people: Reading, symbol: str) -> None:
    someone = people()
    page = someone.page
    someone.open(f"/config/edit/{symbol}")
    page.fill("#reason", "By mistake")
    page.fill("#value-stop_loss_pct", "3.5")
    page.wait_for_selector("[data-ready]")

    page.press("#value-stop_loss_pct", "Enter")
    page.wait_for_load_state("networkidle")

    assert value_of(someone, symbol, "stop_loss_pct") != 3.5
    page.fill("#value-stop_loss_pct", "")
    page.check("[name='mode.stop_loss_pct'][value=inherit]", force=True)
    page.wait_for_selector("text=Nothing would change")


def test_two_editors__changing_the_same__the_second_merges_and_loses_nothing(people: Reading, symbol: str) -> None:
    first, second = people(), people()
    for one in (first, second):
        one.open(f"/config/edit/{symbol}")
    first.page.fill("#value-stop_loss_pct", "5")
    first.page.fill("#value-take_profit_pct", "11")
    second.page.fill("#value-stop_loss_pct", "3.5")
    second.page.fill("#value-leverage", "4")
    second.page.wait_for_selector("[data-ready]")
    apply(first.page, "Volatile open")

    # The second has looked before the first applied, and applies what it saw.
    page = second.page
    page.fill("#reason", "Calmer week")
    page.click("[data-apply]")
    page.wait_for_selector("#merge")
    columns = page.eval_on_selector_all(".merge-column b", "all => all.map(one => one.textContent)")
    assert columns == ["inherited", "5", "3.5"]
    assert page.locator(".merge").count() == 1
    assert "Volatile open" in page.inner_text("#merge")
    page.check("[name='choice.stop_loss_pct'][value=yours]")
    page.click("text=Preview these choices")
    page.wait_for_selector("#editor")
    assert page.input_value("#reason") == "Calmer week"
    apply(page, "Calmer week")

    told = {name: value_of(second, symbol, name) for name in ("stop_loss_pct", "take_profit_pct", "leverage")}
    assert told == {"stop_loss_pct": 3.5, "take_profit_pct": 11, "leverage": 4}


def test_matrix__twenty_symbols__one_preview_one_decision(people: Reading, symbol: str) -> None:
    someone = people()
    page = someone.page
    twenty = [f"{symbol}{number:02}" for number in range(20)]
    someone.open(f"/config/matrix?group=Risk+management&symbols={','.join(twenty)}")
    before = max([one["version"] for one in someone.api("config/changes?page_size=1")], default=0)

    page.locator(f"tr[data-scope={twenty[0]}] td[data-parameter=stop_loss_pct]").click()
    page.locator(f"tr[data-scope={twenty[19]}] input[name=scope]").click(modifiers=["Shift"])
    assert page.inner_text("[data-count]") == "20 chosen"
    page.fill("[data-bulk-value]", "3.5")
    page.wait_for_selector("text=20 changes")
    apply(page, "Calmer week")

    newest = someone.api("config/changes?page_size=1")[0]
    assert newest["version"] == before + 1
    assert {value_of(someone, one, "stop_loss_pct") for one in twenty} == {3.5}
    assert page.locator("td.here[data-parameter=stop_loss_pct]").count() == 20


def test_without_scripts__value_previewed_on_the_server__is_applied_as_previewed(people: Reading, symbol: str) -> None:
    someone = people()  # whose session is used where scripts are off
    plain = someone.context.browser.new_context(
        java_script_enabled=False, storage_state=someone.context.storage_state(), viewport=NARROW
    )
    page = plain.new_page()
    page.goto(f"{someone.site.url}/config/edit/{symbol}")
    page.fill("#value-stop_loss_pct", "3.5")
    page.fill("#reason", "Calmer week")
    page.click("text=Preview")
    page.wait_for_selector("text=1 change")
    assert value_of(someone, symbol, "stop_loss_pct") != 3.5

    page.click("text=Apply exactly this")
    page.wait_for_selector(".flash.good")

    assert value_of(someone, symbol, "stop_loss_pct") == 3.5
    assert page.is_checked("[name='mode.stop_loss_pct'][value=set]")
    plain.close()


@pytest.mark.parametrize("context", [{"color_scheme": "light"}, {"color_scheme": "dark", "viewport": NARROW}])
def test_states__changed_refused_and_merged__are_legible_and_fit(
    people: Reading, symbol: str, context: dict[str, Any]
) -> None:
    someone, other = people(**context), people()
    page = someone.page

    def check() -> None:
        assert page.evaluate(CONTRAST) == []
        assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")

    someone.open(f"/config/edit/{symbol}")
    page.fill("#value-leverage", "500")
    page.wait_for_selector("#faults-leverage .fault")
    check()
    page.fill("#value-leverage", "4")
    page.wait_for_selector("[data-ready]")
    check()
    other.open(f"/config/edit/{symbol}")
    other.page.fill("#value-leverage", "9")
    apply(other.page, "Bold")
    page.fill("#reason", "Careful")
    page.click("[data-apply]")
    page.wait_for_selector("#merge")
    check()
    someone.open(f"/config/matrix?group=Risk+management&sides=1&symbols={symbol}")
    page.locator(f"tr[data-scope={symbol}] td[data-parameter=stop_loss_pct]").click()
    page.fill("[data-bulk-value]", "3.5")
    page.wait_for_selector("[data-ready]")
    check()
    page.fill("[data-bulk-value]", "")
    page.on("dialog", lambda dialog: dialog.accept())
    assert re.search(r"/config/matrix", page.url)
