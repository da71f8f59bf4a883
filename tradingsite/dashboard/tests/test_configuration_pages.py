"""The pages of configuration: what is in force and why, who changed it, the way back, the search."""

import html
import re
import shlex
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from backtests.tests import builders
from configuration import selectors, services
from configuration.selectors import Point
from configuration.services import GLOBAL, Actor, ClearValue, Scope, SetValue, evidence, side_scope, symbol_scope
from tests.people import a_person
from tradingsite.dashboard import in_force, places, sparklines

RITA = Actor("user", "1", "Rita Risk")
BTC = symbol_scope("BTCUSDT")
BTC_LONG = side_scope("BTCUSDT", "LONG")
NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)


@pytest.fixture
def client(owner: User) -> Client:
    client = Client()
    client.force_login(owner)
    return client


def put(scope: Scope, *, reason: str = "because", actor: Actor = RITA, **values: Any) -> int:
    """Trading values set at a scope, at noon; the version."""
    wanted = [SetValue(scope, "trading", name, value) for name, value in values.items()]
    return services.change(actor=actor, source="admin", reason=reason, operations=wanted, now=NOON).version


@pytest.fixture
def history(db) -> None:
    """Versions 1 to 4: leverage 5 everywhere, 10 for BTCUSDT, 25 and then 20 for its long side."""
    put(GLOBAL, leverage=5, reason="House limit")
    put(BTC, leverage=10, reason="Liquid enough")
    put(BTC_LONG, leverage=25, reason="Trend is up")
    put(BTC_LONG, leverage=20, reason="Back to the median")


def shown(client: Client, name: str, *args: Any, status: int = 200, **query: Any) -> str:
    answer = client.get(reverse(f"pages:{name}", args=args), query)
    assert answer.status_code == status
    return answer.content.decode()


def row_of(text: str, parameter: str) -> str:
    """The row of a parameter and the one with its layers."""
    return re.split(r'</tr>\s*<tr (?:id|class="group")', text[text.index(f'<tr id="{parameter}"') :], maxsplit=1)[0]


# --- what is in force


def test_effective__a_value_with_three_layers__shows_winner_losers_who_and_why(client, history) -> None:
    row = row_of(shown(client, "config-effective", symbol="btcusdt", side="long", open="leverage"), "leverage")

    assert '<details class="why" open>' in row
    assert re.search(r"<b>20 x</b> <span class=\"chip ok\">in force", row)
    # From the narrowest: 20 in force; 10, 5 and the default 10 overruled.
    assert re.findall(r"<s>([^<]+)</s>", row) == ["10", "5", "10"]
    for told in ("Back to the median", "Liquid enough", "House limit", "Rita Risk", "as shipped"):
        assert told in row
    for version in (1, 2, 4):
        assert f'href="/config/changes/{version}"' in row
    assert 'href="/config/edit/symbol_side:BTCUSDT/LONG?namespace=trading#leverage"' in row


def test_effective__at_an_earlier_version__is_what_held_then_and_says_so(client, history) -> None:
    text = shown(client, "config-effective", symbol="BTCUSDT", side="LONG", at_version="v3")

    assert re.search(r">25 <span class=\"muted\">x", row_of(text, "leverage"))
    assert "This is the past" in text
    assert "Change here" not in text


def test_effective__only_overridden__leaves_out_what_is_at_its_default(client, history) -> None:
    text = shown(client, "config-effective", only="overridden")

    assert re.findall(r'<tr id="([a-z_]+)"', text) == ["leverage"]
    assert "1 of 37 parameters" in text  # 31 and six extras


def test_effective__changed_since_a_version__shows_what_moved_there_and_nothing_else(client, history) -> None:
    put(GLOBAL, max_retries=7)
    put(BTC, max_daily_trades=100)  # the default: another origin, the same value
    services.change(
        actor=RITA, source="admin", reason="off", operations=[ClearValue(BTC_LONG, "trading", "leverage")], now=NOON
    )

    on_the_side = shown(client, "config-effective", symbol="BTCUSDT", side="LONG", changed_since="4")
    for_the_symbol = shown(client, "config-effective", symbol="BTCUSDT", changed_since="4")

    # The side's leverage is inherited again, which nothing set; the symbol's is as it was.
    assert set(re.findall(r'<tr id="([a-z_]+)"', on_the_side)) == {"leverage", "max_retries", "max_daily_trades"}
    assert set(re.findall(r'<tr id="([a-z_]+)"', for_the_symbol)) == {"max_retries", "max_daily_trades"}


@pytest.mark.parametrize(
    ("compared", "other", "words"),
    [
        ("v1", "5", "v1"),
        ("global", "5", "everywhere"),
        ("btcusdt", "10", "BTCUSDT"),
        ("BTCUSDT short", "10", "BTCUSDT short"),
    ],
)
def test_effective__compared__shows_the_other_value_in_its_column(client, history, compared, other, words) -> None:
    text = shown(client, "config-effective", symbol="BTCUSDT", side="LONG", **{"with": compared})

    assert f"1 differ from {words}" in text
    assert f"<b>{other}</b>" in row_of(text, "leverage")
    assert "the same" in row_of(text, "max_retries")


@pytest.mark.parametrize(
    ("query", "told"),
    [
        ({"side": "LONG"}, "A side needs a symbol."),
        ({"symbol": "B T C"}, "symbol is"),
        ({"symbol": "BTC", "side": "UP"}, "side is &#x27;UP&#x27;, allowed LONG, SHORT."),
        ({"at_version": "99"}, "There is no version 99; the newest is 4."),
        ({"at_version": "yesterday"}, "is no version; write 12 or v12."),
        ({"with": "v99"}, "There is no version 99"),
        ({"with": "symbol:"}, "symbol is"),
    ],
)
def test_effective__asked_wrongly__says_what_and_shows_the_rest(client, history, query, told) -> None:
    text = shown(client, "config-effective", status=422, **query)

    assert told in text
    assert '<tr id="leverage"' in text


def test_effective__unknown_namespace__is_not_found(client, db) -> None:
    assert "There is no namespace" in shown(client, "config-effective", status=404, namespace="nope")


def test_effective__nothing_set__every_value_is_at_its_default_and_nothing_can_be_narrowed(client, db) -> None:
    assert "37 parameters, 0 not at their default" in shown(client, "config-effective")
    assert "Everything everywhere is at its default." in shown(client, "config-effective", only="overridden")


def test_effective__for_a_viewer__offers_nothing_to_change(history) -> None:
    viewer = Client()
    viewer.force_login(a_person("vera"))

    text = shown(viewer, "config-effective", symbol="BTCUSDT")

    assert "/config/edit/" not in text.split('<table class="table')[1]


def test_effective__every_namespace__is_shown(client, db) -> None:
    for namespace in places.namespaces():
        text = shown(client, "config-effective", namespace=namespace.name)
        assert len(re.findall(r'<tr id="', text)) == len(namespace.parameters)


@pytest.mark.parametrize(
    ("query", "edited"),
    [
        ({"symbol": "BTCUSDT", "side": "LONG"}, "symbol_side:BTCUSDT/LONG"),
        ({"symbol": "BTCUSDT", "side": "LONG", "namespace": "indicator_voting"}, "symbol:BTCUSDT"),
        ({"symbol": "BTCUSDT", "namespace": "weather"}, "global"),
        ({"symbol": "BTCUSDT", "bot": "another-ones"}, "symbol:BTCUSDT"),
        ({"namespace": "bot"}, None),
    ],
)
def test_effective__its_way_to_the_editor__is_the_narrowest_place_that_can_be_set_and_exists(
    client, db, query, edited
) -> None:
    text = shown(client, "config-effective", **query)
    link = re.search(r'href="(/config/edit/([^"?]+)\?[^"]+)">Edit here<', text)

    assert (link and link[2]) == edited
    if link:
        assert client.get(html.unescape(link[1])).status_code == 200
    assert "bot:another-ones" not in text


# --- history


def test_history__newest_first__tells_before_after_who_and_why(client, history) -> None:
    text = shown(client, "config-changes")

    assert re.findall(r'class="cover" href="/config/changes/(\d+)"', text) == ["4", "3", "2", "1"]
    for told in ("Back to the median", "Rita Risk", "4 in all"):
        assert told in text
    assert '<span class="was">25</span>' in text
    assert '<b class="now">20</b>' in text


@pytest.mark.parametrize(
    ("query", "versions"),
    [
        ({"symbol": "btcusdt", "scope": "symbol"}, ["2"]),
        ({"reason": "median"}, ["4"]),
        ({"actor": "Rita Risk", "side": "LONG"}, ["4", "3"]),
        ({"source": "cli"}, []),
        ({"until": "2026-03-01"}, []),
        ({"since": "2026-03-02", "until": "2026-03-02", "parameter": "leverage"}, ["4", "3", "2", "1"]),
        ({"before": "v3"}, ["2", "1"]),
    ],
)
def test_history__narrowed__shows_just_those(client, history, query, versions) -> None:
    text = shown(client, "config-changes", **query)

    assert re.findall(r'class="cover" href="/config/changes/(\d+)"', text) == versions


@pytest.mark.parametrize("query", [{"since": "2026-13-01"}, {"until": "9999-12-31"}, {"before": "x"}])
def test_history__asked_wrongly__says_so(client, history, query) -> None:
    assert "note-box bad" in shown(client, "config-changes", status=422, **query)


def test_history__more_than_a_page__leads_to_the_older_ones_and_keeps_the_filter(client, db) -> None:
    for number in range(52):
        put(GLOBAL, max_retries=number % 2 + 4)

    first = shown(client, "config-changes", parameter="max_retries")
    older = re.search(r'rel="next" href="([^"]+)"', first)
    assert older is not None
    second = client.get(reverse("pages:config-changes") + older[1].replace("&amp;", "&")).content.decode()

    assert re.findall(r'class="cover" href="/config/changes/(\d+)"', second) == ["2", "1"]
    assert 'rel="next"' not in second


def test_history__of_one_number__draws_it_over_time_with_a_way_to_each_decision(client, history) -> None:
    text = shown(client, "config-changes", namespace="trading", parameter="leverage", symbol="BTCUSDT", side="LONG")
    line = text[text.index('<svg class="trace-line"') :].split("</svg>")[0]

    assert "Leverage, 4 values, from 5 to 25, now 20" in line
    assert re.findall(r'href="/config/changes/(\d)"', line) == ["1", "2", "3", "4"]


def test_history__of_a_parameter_that_is_no_number__draws_nothing(client, history) -> None:
    text = shown(client, "config-changes", namespace="trading", parameter="margin_type")

    assert "trace-line" not in text


# --- one decision


def test_change__shows_before_after_reason_hash_and_what_it_came_to(client, history) -> None:
    text = shown(client, "config-change", 2)
    by = selectors.decision(2)

    for told in ("Liquid enough", "Rita Risk", by.hash, by.prev_hash, "never verified"):
        assert told in text
    # At version 2 leverage became 10 instead of 5 for BTCUSDT, and nowhere else.
    came_to = text[text.index('id="came-title"') :].split("</table>")[0]
    assert re.findall(r'data-label="For" class="wide">([^<]+)<', came_to) == ["BTCUSDT"]
    assert re.findall(r'data-label="Before" class="num">([^<]+)<', came_to) == ["5"]


def test_change__once_verified__says_up_to_where(client, history) -> None:
    evidence.verify(now=NOON)

    assert "ledger verified" in shown(client, "config-change", 2)
    put(GLOBAL, leverage=6)
    assert "not verified yet" in shown(client, "config-change", 5)


def test_change__as_curl__decides_the_same_again(client, history) -> None:
    text = shown(client, "config-change", 4)
    command = shlex.split(html.unescape(text[text.index('id="curl"') :].partition(">")[2].partition("</pre>")[0]))
    put(BTC_LONG, leverage=30)

    address, body = command[3], command[command.index("-d") + 1]
    answer = client.post(address, body, content_type="application/json")

    assert (command[0], address) == ("curl", "http://testserver/api/v1/config/batch")
    assert "Authorization: Bearer $TOKEN" in command
    assert answer.status_code == 200, answer.json()
    assert value_at(BTC_LONG) == 20
    assert selectors.decision(6).reason == "Back to the median"


def test_change__there_is_none__is_not_found(client, history) -> None:
    assert "There is no version 99" in shown(client, "config-change", 99, status=404)
    assert "There is no version" in shown(client, "config-change", 10**30, status=404)


def test_change__a_reason_with_markup__is_text(client, db) -> None:
    put(GLOBAL, leverage=5, reason="<script>alert(1)</script>")

    for name, args in (("config-change", [1]), ("config-changes", []), ("config-effective", [])):
        assert "<script>alert" not in shown(client, name, *args)


# --- the way back


def hidden_fields(text: str) -> dict[str, str]:
    form = text[text.index('class="way-form"') :].split("</form>", maxsplit=1)[0]
    return dict(re.findall(r'type="hidden" name="(revert|newer|plan_hash)" value="([^"]*)"', form))


def value_at(scope: Scope) -> Any:
    return selectors.resolve(scope, ("trading",))["trading.leverage"].value


@pytest.mark.parametrize(("way", "version", "leverage"), [("this", 4, 25), ("before", 3, 10)])
def test_revert__previewed_and_confirmed__is_a_new_version_with_its_reason(
    client, history, way, version, leverage
) -> None:
    preview = shown(client, "config-change", version, revert=way)
    answer = client.post(
        reverse("pages:config-change", args=[version]), {**hidden_fields(preview), "reason": "It was wrong"}
    )

    made = selectors.decision(5)
    assert answer["Location"] == reverse("pages:config-change", args=[5])
    assert value_at(BTC_LONG) == leverage
    assert (made.kind, made.source, made.reason, made.actor_label) == ("rollback", "rollback", "It was wrong", "olga")
    assert made.request_id == answer["X-Request-ID"]


def test_revert__without_a_reason__is_refused_and_nothing_changes(client, history) -> None:
    fields = hidden_fields(shown(client, "config-change", 4, revert="this"))

    answer = client.post(reverse("pages:config-change", args=[4]), {**fields, "reason": " "})

    assert answer.status_code == 422
    assert "A reason is required" in answer.content.decode()
    assert value_at(BTC_LONG) == 20


def test_revert__something_changed_after_the_preview__is_refused_with_a_new_preview(client, history) -> None:
    fields = hidden_fields(shown(client, "config-change", 4, revert="before"))
    put(BTC_LONG, leverage=30)

    answer = client.post(reverse("pages:config-change", args=[4]), {**fields, "reason": "It was wrong"})

    assert answer.status_code == 412
    assert value_at(BTC_LONG) == 30
    assert hidden_fields(answer.content.decode())["plan_hash"] != fields["plan_hash"]


def test_revert__changed_again_since__names_it_and_offers_both_ways_out(client, history) -> None:
    refused = shown(client, "config-change", 3, revert="this")

    assert "was changed again in version 4 by Rita Risk: Back to the median" in refused
    assert "way-form" not in refused
    kept = shown(client, "config-change", 3, revert="this", newer="keep")
    assert "Left as it is" in kept
    assert "Nothing is left to take back" in kept
    overruled = hidden_fields(shown(client, "config-change", 3, revert="this", newer="override"))
    client.post(reverse("pages:config-change", args=[3]), {**overruled, "reason": "Both were wrong"})
    assert value_at(BTC_LONG) == 10  # of the symbol: before version 3 the side set nothing


def test_revert__by_a_viewer__is_neither_offered_nor_done(history) -> None:
    viewer = Client()
    viewer.force_login(a_person("vera"))

    text = shown(viewer, "config-change", 4, revert="this")
    answer = viewer.post(reverse("pages:config-change", args=[4]), {"revert": "this", "reason": "I want it"})

    assert "Taking back needs the role operator." in text
    assert "way-form" not in text
    assert answer.status_code == 403
    assert value_at(BTC_LONG) == 20


def test_revert__by_an_operator__of_a_critical_parameter_says_what_is_missing(history) -> None:
    operator = Client()
    operator.force_login(a_person("otto", role="operator"))

    text = shown(operator, "config-change", 4, revert="this")
    answer = operator.post(reverse("pages:config-change", args=[4]), {"revert": "this", "reason": "I want it"})

    assert "way-form" not in text
    assert "leverage" in text[text.index('id="way"') :].split("</section>")[0]
    assert answer.status_code == 403
    assert value_at(BTC_LONG) == 20


# --- the search


def hits(client: Client, text: str) -> list[dict[str, str]]:
    return client.get(reverse("pages:config-search"), {"q": text}).json()["data"]


def test_search__symbol_side_and_half_a_name__leads_to_the_open_row(client, history) -> None:
    first = hits(client, "btc long lev")[0]

    assert first["title"] == "Leverage"
    assert first["value"] == "20 x"
    assert first["url"] == ("/config/effective?namespace=trading&symbol=BTCUSDT&side=LONG&open=leverage#leverage")


@pytest.mark.parametrize(
    ("text", "title", "where"),
    [
        ("SL", "Stop loss", "Trading · everywhere"),
        ("lev btcusdt short", "Leverage", "Trading · BTCUSDT short"),
        ("btc", "BTCUSDT", "Everything in force there"),
        ("long only", "Long only", "Bot · everywhere"),
        ("v3", "Version 3", "Change-set"),
    ],
)
def test_search__what_people_type__finds_what_they_mean_first(client, history, text, title, where) -> None:
    first = hits(client, text)[0]

    assert (first["title"], first["where"]) == (title, where)


def test_search__a_word_that_begins_a_symbol_too__is_the_word_where_it_says_more(client, db) -> None:
    put(symbol_scope("MAXUSDT"), leverage=3)

    first = hits(client, "max retries")[0]
    assert (first["title"], first["where"]) == ("Max retries", "Trading · everywhere")


@pytest.mark.parametrize("text", ["", "   ", "qqqqqqq", "v0", "v99", "long"])
def test_search__nothing_meant__finds_nothing_or_words_and_never_fails(client, history, text) -> None:
    assert all(hit["url"].startswith("/config/") for hit in hits(client, text))


def test_search__of_bots__finds_only_ones_own(client, owner: User, stranger: User) -> None:
    builders.an_equity("BTCUSDT")
    bot_id = builders.a_bot(owner, name="Morning star", strategy="external", symbols=["BTCUSDT"], indicators=None)
    theirs = builders.a_bot(stranger, name="Evening star", strategy="external", symbols=["BTCUSDT"], indicators=None)

    assert hits(client, "morning star")[0]["url"].startswith(f"/config/effective?namespace=trading&bot={bot_id}")
    assert not any(theirs in hit["url"] for hit in hits(client, "evening star"))


def test_search__without_script__is_a_list_on_the_page(client, history) -> None:
    text = shown(client, "config-effective", q="btc long lev")

    assert (
        'href="/config/effective?namespace=trading&amp;symbol=BTCUSDT&amp;side=LONG&amp;open=leverage#leverage"' in text
    )


# --- what they cost


@pytest.mark.parametrize(
    ("name", "args", "query"),
    [
        ("config-effective", [], {"symbol": "BTCUSDT", "side": "LONG"}),
        ("config-effective", [], {"symbol": "BTCUSDT", "at_version": "2", "changed_since": "1", "with": "v3"}),
        ("config-changes", [], {}),
        ("config-changes", [], {"namespace": "trading", "parameter": "leverage"}),
        ("config-change", [2], {}),
        ("config-change", [4], {"revert": "this"}),
        ("config-search", [], {"q": "btc long lev"}),
    ],
)
def test_page__with_more_rows__costs_the_same_queries(client, history, owner: User, name, args, query) -> None:
    def cost() -> int:
        client.get(reverse(f"pages:{name}", args=args), query)  # fills the image of the configuration
        with CaptureQueriesContext(connection) as queries:
            shown(client, name, *args, **query)
        return len(queries)

    builders.an_equity("BTCUSDT")
    few = cost()
    for number in range(5):
        put(GLOBAL, max_retries=number + 4)
        put(symbol_scope(f"MORE{number}"), leverage=number + 2, max_daily_trades=9)
        put(BTC_LONG, stop_loss_pct=number + 1.5)
        builders.a_bot(owner, name=f"More {number}", strategy="external", symbols=["BTCUSDT"], indicators=None)

    assert cost() == few <= 30


# --- the pieces


def test_age__of_a_moment__is_told_in_its_largest_unit() -> None:
    told = [in_force.age(NOON - timedelta(seconds=seconds), NOON) for seconds in (-5, 59, 60, 3599, 7200, 86400 * 3)]

    assert told == ["now", "now", "1 min", "59 min", "2 h", "3 d"]


def test_step_line__of_three_values__holds_each_until_the_next() -> None:
    at = [NOON, NOON + timedelta(days=1), NOON + timedelta(days=2)]
    points = [Point(1, at[0], 10), Point(2, at[1], "20"), Point(3, at[2], 15)]

    line = sparklines.step_line(points, until=NOON + timedelta(days=4))

    # 8 to 712 across are four days, 64 to 8 upwards are 10 to 20.
    assert line is not None
    assert [(dot.x, dot.y) for dot in line.dots] == [(8.0, 64.0), (184.0, 8.0), (360.0, 36.0)]
    assert line.path == "M8 64H184V8H360V36H712"


@pytest.mark.parametrize("value", [True, "BTC", None, [1]])
def test_step_line__of_something_that_is_no_number__is_none(value) -> None:
    assert sparklines.step_line([Point(1, NOON, value)], until=NOON) is None
