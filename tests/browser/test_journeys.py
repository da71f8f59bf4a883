"""What people come for: run a backtest and read it, be refused clearly, look at a decision, draw a study."""

import re
from pathlib import Path
from typing import Any

from tests.browser.conftest import Reader, Site


def figures_on(page: Any) -> dict[str, str]:
    """Every figure on a result page, by the API's name, as exact as the markup has it."""
    return page.eval_on_selector_all(
        "[data-metric]", "all => Object.fromEntries(all.map(e => [e.dataset.metric, e.querySelector('data')?.value]))"
    )


def test_newcomer__logs_in_and_backtests_the_demo_bot__reads_the_numbers_of_api_and_database(
    reader: Reader, site: Site
) -> None:
    # Given: somebody who has just logged in and opens the demo bot
    reader.sign_in()
    page = reader.page
    page.get_by_role("link", name="Demo: four-indicator vote").first.click()
    page.wait_for_url(re.compile(r"/bots/"))

    # When: the backtest over AAPL, GOOG, IBM and MSFT is started as the form stands
    chosen = page.eval_on_selector_all("input[name=symbols]:checked", "all => all.map(e => e.value)")
    page.get_by_role("button", name="Run backtest").click()
    page.wait_for_url(re.compile(r"/backtests/"))
    run_id = re.search(r"/backtests/([0-9a-f-]{36})", page.url)[1]  # type: ignore[index]  # waited for above
    page.wait_for_selector("[data-metric=total_return]", timeout=60_000)

    # Then: the page shows what the API answers and what the row in the database holds
    assert chosen == ["AAPL", "GOOG", "IBM", "MSFT"]
    shown = {name: value for name, value in figures_on(page).items() if value is not None}
    told = {
        name: str(value) for name, value in reader.api(f"backtests/{run_id}")["metrics"].items() if value is not None
    }
    stored = site.facts(
        f"from backtests import selectors\nanswer = selectors.backtest('{run_id}').metrics",
    )
    assert shown == told
    assert told == {name: str(value) for name, value in stored.items() if value is not None}
    assert int(told["trips"]) > 30
    trades = reader.api(f"backtests/{run_id}/trades?page_size=20")
    first = page.locator("#trades tbody tr").first
    assert first.locator("td[data-label=Entered]").inner_text() == trades[0]["entry_at"][:10]
    assert first.locator("th").inner_text() == trades[0]["symbol"]


def test_backtest_form__everything_wrong__tells_all_faults_beside_their_fields_and_starts_nothing(
    reader: Reader, site: Site, finished_run: dict[str, Any]
) -> None:
    reader.sign_in()
    page = reader.page
    reader.open(f"/bots/{finished_run['bot']}")
    before = len(reader.api("backtests?page_size=500"))
    page.fill("#id_start", "2012-01-01")
    page.fill("#id_end", "2010-01-01")
    page.fill("#id_fee_bps", "abc")
    page.fill("#id_latency_bars", "-1")

    page.get_by_role("button", name="Run backtest").click()
    page.wait_for_selector(".field.invalid")

    told = page.eval_on_selector_all(
        ".field.invalid", "all => Object.fromEntries(all.map(e => [e.querySelector('input').name, e.innerText]))"
    )
    assert set(told) == {"end", "fee_bps", "latency_bars"}
    assert "2010-01-01" in told["end"]
    assert "must be a number" in told["fee_bps"]
    assert "allowed 0 to 1000" in told["latency_bars"]
    assert page.input_value("#id_fee_bps") == "abc"
    assert page.input_value("#id_start") == "2012-01-01"
    assert len(reader.api("backtests?page_size=500")) == before


def test_trade__clicked__is_shown_on_the_candles_of_its_symbol(reader: Reader, finished_run: dict[str, Any]) -> None:
    reader.sign_in()
    page = reader.page
    reader.open(f"/backtests/{finished_run['id']}")
    line = page.locator("#trades tbody tr", has_text="MSFT").first

    line.locator("button").click()

    page.wait_for_selector("[data-symbol=MSFT][aria-pressed=true]")
    assert line.get_attribute("aria-selected") == "true"


# The middle of a block of the colour that only entry markers have: where a person would click.
FIND_MARKER = """canvases => {
  for (const canvas of canvases) {
    const { width, height } = canvas;
    const pixels = new Uint32Array(canvas.getContext("2d").getImageData(0, 0, width, height).data.buffer);
    const accent = 0xffc25b0b;  // #0b5bc2, alpha first
    const isBlock = (at) => [-width, -1, 0, 1, width].every((step) => pixels[at + step] === accent);
    for (let at = width + 1; at < pixels.length - width - 1; at += 1) {
      if (!isBlock(at)) continue;
      const box = canvas.getBoundingClientRect();
      const [x, y] = [at % width, Math.floor(at / width)];
      return { x: box.left + (x * box.width) / width, y: box.top + (y * box.height) / height };
    }
  }
  return null;
}"""


def test_marker__clicked_on_the_candles__shows_its_row_whatever_page_of_the_list_it_is_on(
    reader: Reader, finished_run: dict[str, Any]
) -> None:
    reader.sign_in()
    page = reader.page
    reader.open(f"/backtests/{finished_run['id']}")
    page.wait_for_selector("#trades tbody th")
    page.locator("#candles-chart").scroll_into_view_if_needed()
    page.wait_for_timeout(300)
    place = page.eval_on_selector_all("#candles-chart canvas", FIND_MARKER)

    page.mouse.move(place["x"], place["y"])
    page.mouse.click(place["x"], place["y"])

    line = page.wait_for_selector("#trades tbody tr[aria-selected=true]")
    assert line.query_selector("th").inner_text() == "AAPL"


def test_trades__sorted_by_gain__come_from_the_api_in_that_order(reader: Reader, finished_run: dict[str, Any]) -> None:
    reader.sign_in()
    page = reader.page
    reader.open(f"/backtests/{finished_run['id']}")

    with page.expect_response(re.compile(r"ordering=-pnl")):
        page.locator("[data-sort=pnl]").click()
    page.wait_for_selector("#trades th[aria-sort=descending] [data-sort=pnl]")

    best = reader.api(f"backtests/{finished_run['id']}/trades?ordering=-pnl&page_size=1")[0]
    shown = page.locator("#trades tbody tr").first.locator("td[data-label='Gain, USD']").inner_text()
    assert shown == f"+{float(best['pnl']):,.2f}"
    assert float(best["pnl"]) == float(finished_run["metrics"]["best_trip"])


def test_decision__opened_from_the_list__explains_itself_with_values_and_who_set_them(
    reader: Reader, finished_run: dict[str, Any]
) -> None:
    reader.sign_in()
    page = reader.page
    reader.open(f"/backtests/{finished_run['id']}/decisions/{finished_run['row']}")

    told = reader.api(f"backtests/{finished_run['id']}/decisions/{finished_run['row']}")
    text = page.inner_text("main")
    assert f"{told['symbol']}, {told['bar']['at'][:10]}" in text
    assert "Demo bot, made at the first start" in text  # why
    assert "First start" in text  # who
    shown = page.locator("tr:has(th[title=stop_loss_pct]) td[data-label=Value]").inner_text()
    values = next(iter(told["values"].values()))
    told_stop = next(one for one in values if one["parameter"] == "stop_loss_pct")
    assert shown == f"{told_stop['value']:g} {told_stop['unit']}"
    assert page.locator(f"a[href='/snapshots/{finished_run['snapshot']}']").count() == 1


# A run under an id of our choice: one that begins with 0, as every sixteenth does.
COPY_WITH_ZERO = """
from uuid import UUID
from backtests.models import Backtest
run = Backtest.objects.get(pk="{id}")
chunks = list(run.chunks.all())
run.pk = UUID(int=1)
run.save(force_insert=True)
for chunk in chunks:
    chunk.pk, chunk.backtest = None, run
    chunk.save(force_insert=True)
answer = str(run.pk)
"""


def test_decision_link__id_of_the_run_begins_with_zero__leads_to_its_decision(
    reader: Reader, site: Site, finished_run: dict[str, Any]
) -> None:
    run_id = site.facts(COPY_WITH_ZERO.format(id=finished_run["id"]))
    reader.sign_in()
    reader.open(f"/backtests/{run_id}")
    first = reader.page.locator("#decisions tbody a").first
    first.wait_for()

    first.click()
    reader.page.wait_for_url(re.compile("/decisions/"))

    assert re.fullmatch(rf"{reader.site.url}/backtests/{run_id}/decisions/\d+", reader.page.url)
    assert reader.page.locator(f"a[href='/snapshots/{finished_run['snapshot']}']").count() == 1


def test_study__drawn_over_a_run__shows_the_last_value_the_api_gives(
    reader: Reader, finished_run: dict[str, Any]
) -> None:
    reader.sign_in()
    page = reader.page
    reader.open(f"/backtests/{finished_run['id']}")
    page.wait_for_selector("[data-add]:not([disabled])")
    page.select_option("[data-study]", "rsi")

    with page.expect_response(lambda answer: "/studies" in answer.url and answer.request.method == "POST") as asked:
        page.click("[data-add]")
    page.wait_for_selector("[data-shown] button", timeout=60_000)

    study = reader.api(f"studies/{asked.value.json()['data']['id']}?max_points=5000")
    last = study["values"]["RSI_14"][-1]
    assert f"RSI_14 {last:.2f}" in page.inner_text("#candles-legend")


def test_csv__with_several_faults__lists_them_all_and_stores_nothing(reader: Reader, tmp_path: Path) -> None:
    file = tmp_path / "bars.csv"
    file.write_text(
        "time,open,high,low,close,volume\n2013-01-02,10,9,11,10,100\n2013-01-03,10,11,9,nan,100\n2013-01-03,1,2,1,1,1\n"
    )
    reader.sign_in()
    page = reader.page
    reader.open("/data/import")
    page.set_input_files("#id_file", file)
    page.select_option("#id_symbol", "IBM")

    page.get_by_role("button", name="Check and import").click()
    page.wait_for_selector("text=Not imported")

    faults = page.locator("section:has(#faults-title) tbody tr").all_inner_texts()
    assert len(faults) >= 3  # high below low, NaN, the same day twice
    assert {re.search(r"Line (\d)", fault)[1] for fault in faults} == {"2", "3", "4"}  # type: ignore[index]
    assert len(reader.api("datasets?symbol=IBM")) == 1


def test_csv__sound__becomes_a_dataset_with_candles(reader: Reader, tmp_path: Path) -> None:
    file = tmp_path / "bars.csv"
    file.write_text(
        "time,open,high,low,close,volume\n2013-01-02,10,11,9,10.5,100\n2013-01-03,10.5,12,10,11,90\n2013-01-04,11,12,10,12,80\n"
    )
    reader.sign_in()
    page = reader.page
    reader.open("/data/import")
    page.set_input_files("#id_file", file)
    page.select_option("#id_symbol", "MSFT")
    page.fill("#id_source", "mine")

    page.get_by_role("button", name="Check and import").click()
    page.wait_for_url(re.compile(r"/data/[0-9a-f-]{36}$"))

    page.wait_for_selector("#candles-legend b")
    assert page.inner_text("#candles-legend").startswith("2013-01-04")


def test_viewer__without_a_staff_account__reads_but_cannot_write_or_see_what_is_another_ones(
    reader: Reader, finished_run: dict[str, Any]
) -> None:
    reader.sign_in("viewer")
    assert "No bots yet" in reader.page.inner_text("main")
    assert reader.open(f"/backtests/{finished_run['id']}").status == 404
    assert reader.open("/data/import").status == 403
    assert reader.open("/data").status == 200


def test_theme__chosen__survives_a_reload_and_repaints_the_page(reader: Reader) -> None:
    reader.sign_in()
    page = reader.page
    background = "getComputedStyle(document.body).backgroundColor"
    light = page.evaluate(background)

    page.click("[data-theme-toggle]")
    page.reload()

    assert page.evaluate("document.documentElement.dataset.theme") == "dark"
    assert page.evaluate(background) != light
