"""The editor and the matrix without a browser's scripts: preview, apply exactly that, merge, and what it costs."""

import re
from datetime import UTC, datetime
from html import unescape
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from configuration import selectors, services
from configuration.catalogue import CATALOGUE
from configuration.scopes import GLOBAL, Scope, side_scope, symbol_scope
from configuration.services import Actor, SetValue
from configuration.tests.reaching import a_reached_bot, held, reaching, resting
from engine.domain.errors import NotFound
from tests.people import a_person
from tradingsite.dashboard import configuration_forms as forms

NOW = datetime(2026, 11, 21, 9, 30, tzinfo=UTC)
RITA = Actor("user", "77", "Rita Risk")


@pytest.fixture
def client(owner: User) -> Client:
    return signed_in(owner)


def signed_in(person: User) -> Client:
    client = Client()
    client.force_login(person)
    return client


def a_change(scope: Scope, reason: str = "Calmer week", **values: Any) -> int:
    operations = [SetValue(scope, "trading", name, value) for name, value in values.items()]
    return services.change(actor=RITA, source="test", reason=reason, operations=operations, now=NOW).version


def fields_of(page: str) -> dict[str, str]:
    """Every field of the page's form as a browser without scripts would send it."""
    found: dict[str, str] = {}
    for tag in re.findall(r"<input [^>]*>", page):
        name, value = (re.search(rf' {part}="([^"]*)"', tag) for part in ("name", "value"))
        if name and name[1] != "csrfmiddlewaretoken" and not ('type="radio"' in tag and " checked" not in tag):
            found[name[1]] = unescape(value[1] if value else "")
    for name, text in re.findall(r'<textarea [^>]*name="([^"]+)"[^>]*>([^<]*)</textarea>', page):
        found[name] = unescape(text)
    for name, options in re.findall(r'<select [^>]*name="([^"]+)"[^>]*>(.*?)</select>', page, re.S):
        chosen = re.search(r'<option value="([^"]*)" selected', options)
        found[name] = unescape(chosen[1]) if chosen else ""
    return found


def form_of(page: str) -> dict[str, str]:
    """The fields of the form that changes things."""
    return fields_of(page[page.index('<form method="post" action="/config') :])


def opened(client: Client, address: str) -> str:
    answer = client.get(address)
    assert answer.status_code == 200
    return answer.content.decode()


def sent(client: Client, address: str, fields: dict[str, Any], **changes: Any) -> Any:
    return client.post(address, {**fields, **changes})


def in_force(scope: Scope, name: str) -> Any:
    return selectors.resolve(scope, ["trading"])[f"trading.{name}"].value


# --- addresses


@pytest.mark.parametrize(
    ("text", "scope"),
    [
        ("global", GLOBAL),
        ("AAPL", symbol_scope("AAPL")),
        ("aapl", symbol_scope("AAPL")),
        ("AAPL/LONG", side_scope("AAPL", "LONG")),
        ("aapl/short", side_scope("AAPL", "SHORT")),
        ("BTC/USD", symbol_scope("BTC/USD")),
        ("BTC/USD/LONG", side_scope("BTC/USD", "LONG")),
        ("symbol:AAPL", symbol_scope("AAPL")),
        ("symbol_side:AAPL/LONG", side_scope("AAPL", "LONG")),
        ("bot:b-1", Scope("bot", bot="b-1")),
    ],
)
def test_scope_of__each_way_to_write_it__is_read(text: str, scope: Scope) -> None:
    assert forms.scope_of(text) == scope


@pytest.mark.parametrize("text", ["", "AA PL", "symbol:", "X" * 33, "symbol_side:AAPL/UP", "/LONG"])
def test_scope_of__what_names_none__is_not_found(text: str) -> None:
    with pytest.raises(NotFound):
        forms.scope_of(text)


@pytest.mark.parametrize(
    "scope",
    [
        GLOBAL,
        symbol_scope("AAPL"),
        side_scope("AAPL", "LONG"),
        symbol_scope("EUR/LONG"),
        side_scope("BTC/USD", "SHORT"),
    ],
)
def test_address_of__any_scope__is_read_back(scope: Scope) -> None:
    assert forms.scope_of(forms.address_of(scope)) == scope


# --- the editor


def test_editor__nothing_set__offers_every_parameter_of_the_scope_as_inherited(client) -> None:
    page = opened(client, "/config/edit/AAPL")

    declared = [one.name for one in CATALOGUE.parameters("trading") if "symbol" in one.scopes]
    assert re.findall(r'data-row="([^"]+)"', page) == declared
    assert {form_of(page)[f"mode.{name}"] for name in declared} == {"inherit"}
    assert 'placeholder="2.0"' in page  # stop_loss_pct, two percent as documented
    assert "not read yet" in page  # the extras


def test_editor__as_it_stands__asks_for_no_change(client) -> None:
    # A map, a list's like and a null among what is set: each must come back as it was.
    a_change(symbol_scope("AAPL"), stop_loss_pct=3.5, timeframe_weights={"1h": 1.5, "4h": 2.0}, leverage=3)
    page = opened(client, "/config/edit/AAPL")

    preview = sent(client, "/config/edit/AAPL", form_of(page), intent="preview").content.decode()

    assert "Nothing would change" in preview


def test_editor__previewed_without_scripts__shows_what_it_would_do_and_changes_nothing(client) -> None:
    bot = a_reached_bot("bot-1", "AAPL", positions=(held("AAPL"),), orders=(resting("AAPL"),))
    page = opened(client, "/config/edit/AAPL")

    with reaching(bot):
        wanted = {"value.stop_loss_pct": "3.5", "value.leverage": "4"}
        preview = sent(client, "/config/edit/AAPL", {**form_of(page), **wanted}, intent="preview").content.decode()

    assert "2 changes" in preview
    assert "Running" in preview or "running" in preview
    assert re.search(r"<dt>Positions</dt><dd>1</dd>", preview)
    assert re.search(r"<dt>Orders</dt><dd>1</dd>", preview)
    assert re.search(r'name="plan_hash" value="[0-9a-f]{64}"', preview)
    assert selectors.head().version == 0


def test_editor__applies_exactly_what_was_previewed(client, owner) -> None:
    page = opened(client, "/config/edit/AAPL")
    preview = sent(client, "/config/edit/AAPL", {**form_of(page), "value.stop_loss_pct": "3.5"}, intent="preview")

    answer = sent(client, "/config/edit/AAPL", form_of(preview.content.decode()), intent="apply", reason="Calmer")

    assert (answer.status_code, answer["Location"]) == (302, "/config/edit/AAPL")
    assert in_force(symbol_scope("AAPL"), "stop_loss_pct") == 3.5
    decided = selectors.change_sets().get(version=1)
    assert (decided.actor_label, decided.reason, decided.kind) == (owner.username, "Calmer", "set")
    assert [(one.parameter, one.new) for one in decided.changes.all()] == [("stop_loss_pct", 3.5)]


def test_editor__apply_without_a_preview__only_previews(client) -> None:
    page = opened(client, "/config/edit/AAPL")

    answer = sent(client, "/config/edit/AAPL", form_of(page), intent="apply", reason="Now", **{"value.leverage": "4"})

    assert "1 change" in answer.content.decode()
    assert selectors.head().version == 0


def test_editor__apply_without_a_reason__is_refused(client) -> None:
    page = opened(client, "/config/edit/AAPL")
    preview = sent(client, "/config/edit/AAPL", {**form_of(page), "value.leverage": "4"}, intent="preview")

    answer = sent(client, "/config/edit/AAPL", form_of(preview.content.decode()), intent="apply", reason="  ")

    assert answer.status_code == 422
    assert "Say why" in answer.content.decode()
    assert selectors.head().version == 0


def test_editor__form_changed_after_its_preview__previews_again_with_a_note(client) -> None:
    page = opened(client, "/config/edit/AAPL")
    preview = sent(client, "/config/edit/AAPL", {**form_of(page), "value.leverage": "4"}, intent="preview")

    fields = {**form_of(preview.content.decode()), "value.leverage": "9"}
    answer = sent(client, "/config/edit/AAPL", fields, intent="apply", reason="Bold")

    assert answer.status_code == 412
    assert "would not have done what its preview said" in answer.content.decode()
    assert selectors.head().version == 0


def test_editor__everything_wrong__tells_each_fault_beside_its_field_and_what_does_not_fit(client) -> None:
    page = opened(client, "/config/edit/global")
    wanted = {
        "value.leverage": "500",  # 1 to 125
        "value.stop_loss_pct": "many",
        "value.min_position_size_usd": "900",
        "value.max_position_size_usd": "100",
    }

    preview = sent(client, "/config/edit/global", {**form_of(page), **wanted}, intent="preview").content.decode()

    told = dict(re.findall(r'<li data-name="([^"]+)">([^<]+)</li>', preview))
    assert set(told) == {"leverage", "stop_loss_pct"}
    assert "500" in told["leverage"]
    assert "These do not fit each other" in preview
    assert 'id="faults-leverage" data-faults><span class="fault">' in preview
    assert re.search(r'name="intent" value="apply" data-apply disabled', preview)


def test_editor__set_row_cleared__is_inherited_again(client) -> None:
    a_change(GLOBAL, stop_loss_pct=4.0)
    a_change(symbol_scope("AAPL"), stop_loss_pct=3.5)
    page = opened(client, "/config/edit/AAPL")
    assert form_of(page)["value.stop_loss_pct"] == "3.5"
    # Without scripts the text of a cleared row stays where it was.
    fields = {**form_of(page), "mode.stop_loss_pct": "inherit"}
    preview = sent(client, "/config/edit/AAPL", fields, intent="preview").content.decode()

    sent(client, "/config/edit/AAPL", form_of(preview), intent="apply", reason="As the rest")

    assert selectors.stored(symbol_scope("AAPL")) == {}
    assert in_force(symbol_scope("AAPL"), "stop_loss_pct") == 4.0


def test_editor__none__is_a_value_of_its_own(client) -> None:
    a_change(GLOBAL, override_min_qty=0.5)
    page = opened(client, "/config/edit/AAPL")
    fields = {**form_of(page), "mode.override_min_qty": "none"}
    preview = sent(client, "/config/edit/AAPL", fields, intent="preview").content.decode()

    sent(client, "/config/edit/AAPL", form_of(preview), intent="apply", reason="The exchange says")

    assert selectors.stored(symbol_scope("AAPL"))["override_min_qty"].value is None
    assert 'name="mode.override_min_qty" value="none" checked' in opened(client, "/config/edit/AAPL")


# --- two people


def test_merge__somebody_changed_the_same__shows_three_columns_and_nothing_is_changed(client) -> None:
    a_change(symbol_scope("AAPL"), stop_loss_pct=2.5)
    page = opened(client, "/config/edit/AAPL")
    a_change(symbol_scope("AAPL"), "Volatile open", stop_loss_pct=5.0)
    fields = {**form_of(page), "value.stop_loss_pct": "3.5", "value.leverage": "4"}
    preview = sent(client, "/config/edit/AAPL", fields, intent="preview").content.decode()
    assert "Changed meanwhile by somebody else" in preview

    answer = sent(client, "/config/edit/AAPL", form_of(preview), intent="apply", reason="Calmer")

    merge = answer.content.decode()
    assert answer.status_code == 412
    columns = re.findall(r'<span class="column-name">(\w+)</span>.*?<b>([^<]+)</b>', merge, re.S)
    assert columns == [("Base", "2.5"), ("Theirs", "5"), ("Yours", "3.5")]
    assert "Rita Risk" in merge
    assert "Volatile open" in merge
    assert "choice.leverage" not in merge  # collides with nothing: goes along
    assert selectors.head().version == 2


@pytest.mark.parametrize(("choice", "stop"), [("yours", 3.5), ("theirs", 5.0)])
def test_merge__chosen__is_previewed_on_the_newest_version_and_applied(client, choice: str, stop: float) -> None:
    page = opened(client, "/config/edit/AAPL")
    a_change(symbol_scope("AAPL"), stop_loss_pct=5.0)
    fields = {**form_of(page), "value.stop_loss_pct": "3.5", "value.leverage": "4", "reason": "Calmer"}
    merge = sent(client, "/config/edit/AAPL", fields, intent="merge").content.decode()
    chosen = {**form_of(merge), "choice.stop_loss_pct": choice}

    preview = sent(client, "/config/edit/AAPL", chosen, intent="preview").content.decode()
    answer = sent(client, "/config/edit/AAPL", form_of(preview), intent="apply")

    assert answer.status_code == 302
    assert in_force(symbol_scope("AAPL"), "stop_loss_pct") == stop
    assert in_force(symbol_scope("AAPL"), "leverage") == 4
    changed = [one.parameter for one in selectors.change_sets().get(version=2).changes.all()]
    assert changed == (["leverage", "stop_loss_pct"] if choice == "yours" else ["leverage"])


def test_editor__somebody_changed_another_row__is_neither_a_collision_nor_undone(client) -> None:
    page = opened(client, "/config/edit/AAPL")
    a_change(symbol_scope("AAPL"), stop_loss_pct=5.0)
    preview = sent(client, "/config/edit/AAPL", {**form_of(page), "value.leverage": "4"}, intent="preview")

    answer = sent(client, "/config/edit/AAPL", form_of(preview.content.decode()), intent="apply", reason="More")

    assert answer.status_code == 302
    assert in_force(symbol_scope("AAPL"), "stop_loss_pct") == 5.0
    assert in_force(symbol_scope("AAPL"), "leverage") == 4


# --- the matrix

TWENTY = [f"SYM{number:02}" for number in range(20)]


def bulk(symbols: list[str], **fields: Any) -> dict[str, Any]:
    return {"base_version": selectors.head().version, "parameter": "stop_loss_pct", "scope": symbols, **fields}


def test_matrix__what_is_set_where__is_marked_in_words_not_by_colour_alone(client) -> None:
    a_change(GLOBAL, stop_loss_pct=4.0)
    a_change(symbol_scope("AAPL"), stop_loss_pct=3.5)
    a_change(side_scope("MSFT", "LONG"), stop_loss_pct=1.5)

    page = opened(client, "/config/matrix?group=Risk+management&sides=1")

    cells = {
        scope: re.sub(r"<[^>]+>", "", cell).split()
        for scope, cell in re.findall(
            r'<tr[^>]*data-scope="([^"]+)".*?data-parameter="stop_loss_pct"[^>]*>(.*?)</td>', page, re.S
        )
    }
    assert cells == {
        "AAPL": ["●", "3.5"],
        "AAPL/LONG": ["3.5S"],
        "AAPL/SHORT": ["3.5S"],
        "MSFT": ["4G"],
        "MSFT/LONG": ["●", "1.5"],
        "MSFT/SHORT": ["4G"],
    }


def test_matrix__twenty_symbols__is_one_preview_and_one_decision(client) -> None:
    preview = sent(client, "/config/matrix", bulk(TWENTY, value="3.5"), intent="preview").content.decode()
    assert "20 changes" in preview
    plan = re.search(r'name="plan_hash" value="([0-9a-f]{64})"', preview)

    wanted = bulk(TWENTY, value="3.5", reason="Calmer week", plan_hash=plan[1])  # type: ignore[index]  # found above
    answer = sent(client, "/config/matrix", wanted, intent="apply")

    assert answer.status_code == 302
    decided = selectors.change_sets().get(version=1)
    assert (decided.kind, decided.reason) == ("batch", "Calmer week")
    assert [(one.symbol, one.new) for one in decided.changes.all()] == [(symbol, 3.5) for symbol in TWENTY]
    assert selectors.head().version == 1


def test_matrix__pasted_symbols_and_cleared__are_read_and_inherited_again(client) -> None:
    for scope in (symbol_scope("AAPL"), side_scope("MSFT", "LONG")):
        a_change(scope, stop_loss_pct=3.5)
    fields = bulk([], more="aapl, MSFT/long\nTSLA", mode="inherit", reason="As the rest")
    preview = sent(client, "/config/matrix", fields, intent="preview").content.decode()
    assert "2 changes" in preview  # nothing is set for TSLA
    plan = re.search(r'name="plan_hash" value="([0-9a-f]{64})"', preview)

    sent(client, "/config/matrix", {**fields, "plan_hash": plan[1]}, intent="apply")  # type: ignore[index]  # found

    assert selectors.stored(symbol_scope("AAPL")) == {}
    assert selectors.stored(side_scope("MSFT", "LONG")) == {}


def test_matrix__nothing_chosen__says_what_is_missing(client) -> None:
    answer = client.post("/config/matrix", {"intent": "preview", "more": "A B*"})

    page = answer.content.decode()
    assert answer.status_code == 422
    assert "Choose a parameter" in page
    assert "No symbol or side: B*" in page


def test_matrix__somebody_changed_one_of_them__merges_that_one_and_keeps_the_others(client) -> None:
    before = bulk(["AAPL", "MSFT"], value="3.5", reason="Calmer")
    a_change(symbol_scope("MSFT"), stop_loss_pct=5.0)
    merge = sent(client, "/config/matrix", before, intent="merge").content.decode()
    assert merge.count('class="merge"') == 1
    assert 'name="choice.MSFT"' in merge
    chosen = {**form_of(merge), "scope": ["AAPL", "MSFT"], "choice.MSFT": "theirs"}

    preview = sent(client, "/config/matrix", chosen, intent="preview").content.decode()

    assert "1 change" in preview
    assert "Changed meanwhile" not in preview


# --- who may, and what it costs


def test_viewer__may_look_and_not_change(db) -> None:
    client = signed_in(a_person("vera", role="viewer"))

    for address in ("/config/edit/AAPL", "/config/matrix"):
        page = opened(client, address)
        assert "You may look, not change" in page
        assert 'name="intent"' not in page
        assert client.post(address, {"intent": "preview"}).status_code == 403


def test_operator__guarded_parameter__is_told_what_it_needs_and_refused(db) -> None:
    client = signed_in(a_person("otto", role="operator"))
    page = opened(client, "/config/edit/AAPL")
    risky = next(one for one in CATALOGUE.parameters("trading") if one.risk == "critical" and one.kind == "int")
    fields = {**form_of(page), f"value.{risky.name}": "7", "reason": "Bold"}
    preview = sent(client, "/config/edit/AAPL", fields, intent="preview").content.decode()
    assert "Needs the right to critical parameters" in preview

    answer = sent(client, "/config/edit/AAPL", form_of(preview), intent="apply")

    assert answer.status_code == 403
    assert selectors.head().version == 0


def test_editor__scope_that_is_none_or_namespace_without_it__is_not_found(client) -> None:
    assert client.get("/config/edit/A%20B").status_code == 404
    assert client.get("/config/edit/AAPL?namespace=weather").status_code == 404
    assert client.get("/config/edit/AAPL?namespace=nothing").status_code == 404
    assert client.get("/config/matrix?namespace=weather").status_code == 404
    assert client.get("/config/edit/bot:00000000-0000-0000-0000-000000000000").status_code == 404
    assert client.get("/config/edit/bot:b-1").status_code == 404


def test_editor__namespace_not_installed__says_so(client) -> None:
    assert "is not installed yet" in opened(client, "/config/edit/global?namespace=weather")


def test_editor__scope_picked_by_its_parts__leads_to_its_address(client) -> None:
    answer = client.get("/config/edit/global", {"symbol": "aapl", "side": "LONG", "namespace": "trading"})

    assert (answer.status_code, answer["Location"]) == (302, "/config/edit/AAPL/LONG")


@pytest.mark.parametrize("address", ["/config/edit/SYM00", "/config/matrix?group=Risk+management"])
def test_pages__many_overrides__cost_as_many_queries_as_few(client, address: str) -> None:
    a_change(symbol_scope("SYM00"), stop_loss_pct=3.5)
    opened(client, address)

    with CaptureQueriesContext(connection) as few:
        opened(client, address)
    for number, symbol in enumerate(TWENTY):
        a_change(symbol_scope(symbol), stop_loss_pct=4.5, leverage=2 + number % 3, max_daily_trades=5 + number)
    opened(client, address)
    with CaptureQueriesContext(connection) as many:
        opened(client, address)

    assert len(many) == len(few) <= 8


def test_preview__twenty_symbols__costs_as_many_queries_as_one(client) -> None:
    a_change(GLOBAL, leverage=2)
    counts = []
    for symbols in (TWENTY[:1], TWENTY):
        fields = bulk(symbols, value="3.5", intent="preview")
        client.post("/config/matrix", fields)
        with CaptureQueriesContext(connection) as asked:
            client.post("/config/matrix", fields)
        counts.append(len(asked))

    assert counts[0] == counts[1]
