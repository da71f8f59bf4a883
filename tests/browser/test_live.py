"""The live pages: what happened moves their numbers, what is missed is fetched, what is silent is marked as old."""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from tests.browser.conftest import CONTRAST, PHONE, Reader, Site

LIVE_CHIP = "[data-strip] [data-link]"


@pytest.fixture(scope="module")
def trading(site: Site, relay: None) -> dict[str, Any]:
    """A running bot of the superuser's, 90 bars into its replay, and how to go on with it."""
    return site.facts("from tests.browser.live_rows import a_trading_bot\nanswer = a_trading_bot()")


@pytest.fixture
def next_bar(site: Site, trading: dict[str, Any]) -> Any:
    """Publishes one more bar for the trading bot."""

    def publish(**changes: Any) -> Any:
        call = ", ".join(f"{name}={value!r}" for name, value in {"bot_id": trading["bot"], **changes}.items())
        return site.facts(f"from tests.browser.live_rows import next_bar\nanswer = next_bar({call})")

    return publish


@pytest.fixture
def followed(reader: Reader, trading: dict[str, Any]) -> Reader:
    """Somebody who looks at the overview while it is live."""
    reader.sign_in()
    await_link(reader.page, "Live")
    return reader


def await_link(page: Any, words: str, *, timeout: float = 15_000) -> None:
    page.locator(LIVE_CHIP, has_text=re.compile(words)).wait_for(timeout=timeout)


def lead(page: Any, name: str) -> str:
    return str(page.locator(f"[data-lead={name}]").get_attribute("value"))


def row_of(page: Any, trading: dict[str, Any]) -> Any:
    return page.locator(f"[data-bots] tr[data-key='{trading['bot']}']")


def snapshots(page: Any) -> list[str]:
    """Collects the addresses of the snapshots the page asks for from now on."""
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url) if "/api/v1/live" in request.url else None)
    return asked


def test_overview__a_bot_that_trades__shows_its_decisions_votes_positions_and_trades(
    followed: Reader, trading: dict[str, Any]
) -> None:
    page = followed.page

    assert "Running" in row_of(page, trading).inner_text()
    decisions = page.inner_text("[data-decisions]")
    assert "1 order asked" in decisions
    assert "A position in this direction is already held." in decisions
    vote = page.locator("[data-decisions] .vote", has_text="EMA").first
    assert vote.inner_text().split() == ["EMA", "▼", "EMA", "votes", "sell."]
    position = page.locator("[data-positions] tbody tr", has_text="AAPL").first.inner_text()
    assert all(part in position for part in ("25.00", "26.50", "24.50", "26.25", "+7.50"))
    assert "+120.25" in page.inner_text("[data-trades]")
    assert "SIMULATED" in page.inner_text("[data-strip]")


def test_overview__a_bar_is_recorded__moves_the_numbers_without_a_reload(
    followed: Reader, trading: dict[str, Any], next_bar: Any
) -> None:
    page = followed.page
    page.evaluate("window.isTheSamePage = true")

    next_bar(equity="10301.75", buys=True)

    row_of(page, trading).locator("td[data-label='Equity, USD']", has_text="10,301.75").wait_for()
    page.locator("[data-positions] tbody tr", has_text="IBM").wait_for()
    page.locator("[data-trades] tbody tr", has_text="115.00").first.wait_for()
    # The only bot that ever ran is this one, so all together are worth what it is.
    assert lead(page, "equity") == "10301.75"
    assert page.evaluate("window.isTheSamePage")


def test_overview__an_event_was_lost_on_its_way__takes_a_snapshot_and_shows_what_is_so(
    followed: Reader, trading: dict[str, Any], next_bar: Any
) -> None:
    page = followed.page
    page.wait_for_timeout(1000)
    asked = snapshots(page)

    next_bar(equity="10400.5", is_lost=True)  # nobody hears of it; the next beat knows a higher version

    row_of(page, trading).locator("td", has_text="10,400.50").wait_for()
    assert asked
    await_link(page, "Live")


def test_bot_page__a_bar_is_recorded__grows_its_tables_and_links_to_the_decision(
    followed: Reader, trading: dict[str, Any], next_bar: Any
) -> None:
    page = followed.page
    followed.open(f"/bots/{trading['bot']}")
    await_link(page, "Live")
    page.locator("[data-orders] tbody tr", has_text="stop 24.50").wait_for()
    page.wait_for_selector("#candles-chart canvas")
    page.wait_for_selector("#equity-chart canvas")

    told = next_bar(equity="10410.25")

    page.locator("[data-lead=equity]", has_text="10,410.25").wait_for()
    link = page.locator(f"[data-decisions] a[href='/decisions/{told['decision']}']")
    shown = link.inner_text()
    page.locator("#candles-legend", has_text=shown).wait_for()  # the chart ends with the bar that was decided on
    link.click()
    page.wait_for_url(re.compile(rf"/decisions/{told['decision']}"))
    text = page.inner_text("main")
    assert shown in text
    assert "2 buy, 1 sell" in text
    assert "1 order asked" in text


def test_socket__that_says_nothing_for_six_seconds__marks_the_page_as_stale(
    chromium: Any, site: Site, trading: dict[str, Any]
) -> None:
    someone = Reader(chromium, site)
    someone.page.route_web_socket(re.compile("/ws/live"), lambda socket: None)  # open, and silent
    someone.sign_in()
    page = someone.page
    page.locator("[data-bots] tr[data-key]").first.wait_for()

    await_link(page, r"Stale since \d+ s")

    assert page.get_attribute("[data-strip]", "data-kind") == "stale"
    assert "Numbers may be old" in page.inner_text("[data-link-said]")
    assert page.evaluate(CONTRAST) == []
    someone.check()
    someone.context.close()


def test_socket__closed_by_the_other_side__says_so_and_comes_back(
    chromium: Any, site: Site, trading: dict[str, Any]
) -> None:
    someone = Reader(chromium, site)
    sockets: list[Any] = []
    isolated = {"cut": False}

    def between(socket: Any) -> None:
        if isolated["cut"]:
            socket.close(code=1013)
            return
        sockets.append(socket)
        socket.connect_to_server()

    someone.page.route_web_socket(re.compile("/ws/live"), between)
    someone.sign_in()
    page = someone.page
    await_link(page, "Live")

    isolated["cut"] = True
    sockets[-1].close(code=1013)
    await_link(page, "Disconnected")
    assert "trying again" in page.inner_text("[data-age]")
    assert page.evaluate(CONTRAST) == []
    isolated["cut"] = False

    await_link(page, "Live", timeout=30_000)
    someone.check()
    someone.context.close()


def test_socket__closed_because_nobody_is_logged_in__leads_to_the_login(
    chromium: Any, site: Site, trading: dict[str, Any]
) -> None:
    someone = Reader(chromium, site)
    someone.sign_in()
    someone.page.route_web_socket(re.compile("/ws/live"), lambda socket: socket.close(code=4401))
    someone.open("/")

    link = someone.page.locator("[data-sign-in] a")
    link.wait_for()

    assert link.get_attribute("href") == "/login?next=/"
    assert someone.page.inner_text(LIVE_CHIP) == "Signed out"
    someone.context.close()


@pytest.fixture
def viewer(chromium: Any, site: Site, trading: dict[str, Any]) -> Iterator[Reader]:
    someone = Reader(chromium, site).sign_in("viewer")
    yield someone
    someone.check()
    someone.context.close()


def test_viewer__with_a_bot_of_their_own__sees_it_without_buttons_and_nothing_of_others(
    viewer: Reader, site: Site, trading: dict[str, Any], next_bar: Any
) -> None:
    mine = site.facts(
        "from tests.browser.live_rows import a_trading_bot\nanswer = a_trading_bot(owner='viewer', name='Own one')"
    )
    frames: list[str] = []

    def hear(frame: Any) -> None:  # the driver cannot mark a method of a list as its own
        frames.append(str(frame))

    viewer.page.on("websocket", lambda socket: socket.on("framereceived", hear))
    viewer.open("/")
    page = viewer.page
    page.locator(f"[data-bots] tr[data-key='{mine['bot']}']").wait_for()
    await_link(page, "Live")

    next_bar(equity="10420")
    site.facts(
        f"from tests.browser.live_rows import next_bar\nanswer = next_bar(bot_id={mine['bot']!r}, equity='10777.5')"
    )

    page.locator("[data-bots] td", has_text="10,777.50").wait_for()
    assert page.locator("[data-bots] tr[data-key]").count() == 1
    assert page.locator("[data-live-page] button", has_text=re.compile("Start|Pause|Stop|Resume|Close")).count() == 0
    assert trading["bot"] not in "".join(frames)
    assert mine["bot"] in "".join(frames)
    viewer.open(f"/bots/{mine['bot']}")
    page.locator("[data-positions] tr[data-key]").first.wait_for()
    assert page.locator("[data-controls]").count() == 0
    assert page.locator("[data-positions] button").count() == 0


def test_pause__asked_and_confirmed__says_what_will_happen_and_shows_the_new_state(
    followed: Reader, site: Site
) -> None:
    made = site.facts("from tests.browser.live_rows import a_trading_bot\nanswer = a_trading_bot(name='To be paused')")
    page = followed.page
    row = page.locator(f"[data-bots] tr[data-key='{made['bot']}']")
    row.wait_for()  # a bot that is new appears by itself

    row.get_by_role("button", name="Pause To be paused").click()
    dialog = page.locator("dialog[open]")
    assert "decides nothing more until it is resumed" in dialog.inner_text()
    assert "1 open position stays open" in dialog.inner_text()
    dialog.get_by_role("button", name="Pause").click()

    row.locator(".chip", has_text="Paused").wait_for()
    page.locator("#confirm").wait_for(state="hidden")
    assert row.get_by_role("button").all_inner_texts() == ["Resume", "Stop"]


def test_action__refused_by_the_server__shows_the_coded_answer_in_the_dialog(
    chromium: Any, site: Site, trading: dict[str, Any]
) -> None:
    someone = Reader(chromium, site).sign_in()
    page = someone.page
    refusal = {"success": False, "error": {"code": "BOT_NOT_RUNNING", "message": "It is stopped; nothing to pause."}}
    page.route("**/pause", lambda route: route.fulfill(status=409, body=json.dumps(refusal)))
    row_of(page, trading).get_by_role("button", name=re.compile("Pause")).click()

    page.locator("dialog[open]").get_by_role("button", name="Pause").click()

    fault = page.locator("#confirm [data-fault]")
    fault.wait_for()
    assert fault.inner_text().split("\n") == ["✕", "It is stopped; nothing to pause.", "BOT_NOT_RUNNING"]
    page.keyboard.press("Escape")
    assert page.locator("dialog[open]").count() == 0
    someone.context.close()


def test_bot__taken_out_by_an_error__says_why_on_both_pages(followed: Reader, site: Site) -> None:
    made = site.facts("from tests.browser.live_rows import a_trading_bot\nanswer = a_trading_bot(name='Broken one')")
    page = followed.page
    followed.open(f"/bots/{made['bot']}")
    await_link(page, "Live")

    site.facts(
        "from tests.browser.live_rows import fail\n"
        f"answer = fail({made['bot']!r}, code='BARS_CORRUPTED', message='Bars of AAPL do not match.')"
    )

    page.locator("[data-state-box]", has_text="Bars of AAPL do not match.").wait_for()
    assert "BARS_CORRUPTED" in page.inner_text("[data-state-box]")
    assert page.locator("[data-controls] button").first.inner_text() == "Start"
    followed.open("/")
    row = page.locator(f"[data-bots] tr[data-key='{made['bot']}']")
    row.wait_for()
    assert "BARS_CORRUPTED: Bars of AAPL do not match." in row.inner_text()


@pytest.mark.parametrize("context", [{"color_scheme": "light"}, {"color_scheme": "dark", "viewport": PHONE}])
def test_live_pages__in_light_wide_and_dark_narrow__are_clean_legible_and_fit(
    chromium: Any, site: Site, trading: dict[str, Any], context: dict[str, Any]
) -> None:
    someone = Reader(chromium, site, **context).sign_in()
    page = someone.page
    for path in ("/", f"/bots/{trading['bot']}", "decision"):
        if path == "decision":
            path = str(page.locator("[data-decisions] a.cover").first.get_attribute("href"))
        someone.open(path)
        if "decisions" not in path:
            await_link(page, "Live")
            page.wait_for_timeout(1500)  # what moved has settled
        assert page.evaluate(CONTRAST) == [], path
        assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth"), path
        someone.check()
        if path.startswith("/bots"):
            page.locator("[data-decisions] a.cover").first.wait_for()
    someone.context.close()


# --- the state by itself, in the browser that will run it

STATE = """async ({ snapshot, messages }) => {
  const { fromSnapshot, apply, behind } = await import("/static/js/live-state.js");
  let state = fromSnapshot(snapshot);
  const outcomes = [];
  for (const message of messages) {
    const next = apply(state, message);
    state = next.state;
    outcomes.push(next.outcome);
  }
  return { outcomes, totals: state.totals, bots: [...state.bots.values()], positions: [...state.positions.keys()],
           behind: behind(state, { b: 99, a: 0 }) };
}"""
SNAPSHOT = {
    "versions": {"b": 7},
    "totals": {
        "equity": "1000.000000001",
        "total_pnl": "5",
        "today_pnl": "0.1",
        "unrealized_pnl": "1",
        "open_positions": 1,
        "trades_today": 0,
    },
    "clocks": [{"timeframe": "1d", "epoch": 1, "now": "2000-03-02T00:00:00Z"}],
    "bots": [
        {
            "id": "b",
            "timeframe": "1d",
            "equity": "100.1",
            "today_pnl": "0.1",
            "total_pnl": "5",
            "open_positions": 1,
            "run": 1,
            "epoch": 1,
        }
    ],
    "positions": [{"id": "p", "unrealized_pnl": "1", "is_open": True}],
}


def cycle(version: int, **changes: Any) -> dict[str, Any]:
    payload = {
        "run": 1,
        "epoch": 1,
        "at": "2000-03-03T00:00:00Z",
        "equity": "100.3",
        "today_pnl": "0.3",
        "open_positions": 2,
    }
    return {"bot": "b", "version": version, "event": "cycle", "payload": {**payload, **changes}}


def trade(version: int, name: str, day: str, profit_loss: str) -> dict[str, Any]:
    payload = {"id": name, "profit_loss": profit_loss, "timestamp": f"{day}T00:00:00Z"}
    return {"bot": "b", "version": version, "event": "trade_executed", "payload": payload}


def reduced(reader: Reader, *messages: dict[str, Any]) -> Any:
    reader.open("/login")
    return reader.page.evaluate(STATE, {"snapshot": SNAPSHOT, "messages": list(messages)})


def test_state__versions_known_in_order_and_with_a_gap__are_told_apart(reader: Reader) -> None:
    found = reduced(reader, cycle(7), cycle(8), cycle(8), cycle(10), {**cycle(1), "bot": "unknown"})

    assert found["outcomes"] == ["known", "applied", "known", "gap", "gap"]
    assert found["behind"] == ["b", "a"]


def test_state__sums__are_exact_where_floats_are_not(reader: Reader) -> None:
    found = reduced(reader, cycle(8))

    # 100.3 - 100.1 = 0.2 more (0.20000000000000284 in floats), on both; one position more.
    assert found["totals"]["equity"] == "1000.200000001"
    assert found["totals"]["today_pnl"] == "0.3"
    assert found["totals"]["open_positions"] == 2


def test_state__a_trade_told_again_with_more__counts_once(reader: Reader) -> None:
    found = reduced(reader, trade(8, "t", "2000-03-01", "-1.5"), trade(9, "t", "2000-03-01", "-4"))

    assert found["totals"]["total_pnl"] == "1"  # 5 - 4
    assert found["bots"][0]["total_pnl"] == "1"
    assert found["totals"]["trades_today"] == 1


def test_state__a_new_day__begins_the_count_of_todays_trades_again(reader: Reader) -> None:
    # The clock stands at the close of 1 March. Two trades that day; on the 2nd two bots' trades, then the cycle.
    first = [trade(8, "a", "2000-03-01", "0"), trade(9, "b", "2000-03-01", "0")]
    second = [trade(10, "c", "2000-03-02", "0"), trade(11, "d", "2000-03-02", "0"), cycle(12)]

    assert reduced(reader, *first)["totals"]["trades_today"] == 2
    assert reduced(reader, *first, *second)["totals"]["trades_today"] == 2
    # A day without a trade: its cycle alone says that it has come.
    assert reduced(reader, *first, cycle(10))["totals"]["trades_today"] == 0


def test_state__a_closed_position__leaves_with_what_it_held(reader: Reader) -> None:
    payload = {"id": "p", "unrealized_pnl": "0", "is_open": False}

    found = reduced(reader, {"bot": "b", "version": 8, "event": "position_updated", "payload": payload})

    assert found["positions"] == []
    assert found["totals"]["unrealized_pnl"] == "0"


def test_state__a_cycle_of_another_run__asks_for_a_new_snapshot(reader: Reader) -> None:
    assert reduced(reader, cycle(8, run=2))["outcomes"] == ["renewed"]


def test_back_off__the_more_attempts__the_longer_up_to_fifteen_seconds(reader: Reader) -> None:
    reader.open("/login")
    waits = reader.page.evaluate(
        """async () => {
          const { backOff } = await import("/static/js/live.js");
          return [[0, 0], [0, 1], [3, 0], [3, 1], [20, 0], [20, 1]].map((one) => backOff(...one));
        }"""
    )

    assert waits == [1000, 1000, 4000, 8000, 7500, 15000]
