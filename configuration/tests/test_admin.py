"""The admin's pages: inherit, set and clear with a reason, and never over somebody else's change."""

import re
from html.parser import HTMLParser
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from configuration import selectors, services
from configuration.models import ChangeSet, Override, Snapshot
from configuration.scopes import GLOBAL, side_scope, symbol_scope
from configuration.tests.examples import BEN, put, some_bot, value_at
from tests.people import a_person

pytestmark = pytest.mark.django_db
GLOBAL_FORM = "/admin/configuration/globalconfiguration/global/change/"
AAPL_FORM = "/admin/configuration/symbolconfiguration/AAPL/change/"
LONG_FORM = "/admin/configuration/symbolsideconfiguration/AAPL:LONG/change/"
AAPL = symbol_scope("AAPL")


@pytest.fixture
def client() -> Client:
    client = Client()
    client.force_login(User.objects.create_superuser("ann"))
    return client


class _Fields(HTMLParser):
    """What a browser would send if the form were submitted as it stands."""

    def __init__(self) -> None:
        super().__init__()
        self.values: dict[str, str] = {}
        self._area = self._select = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        name = given.get("name") or ""
        if tag == "input" and given.get("type") in ("text", "hidden") and name:
            self.values[name] = given.get("value") or ""
        elif tag == "textarea":
            self._area = name
            self.values[name] = ""
        elif tag == "select":
            self._select = name
            self.values[name] = ""
        elif tag == "option" and "selected" in given:
            self.values[self._select] = given.get("value") or ""

    def handle_data(self, data: str) -> None:
        if self._area:
            self.values[self._area] += data

    def handle_endtag(self, tag: str) -> None:
        if tag == "textarea":
            self.values[self._area] = self.values[self._area].removeprefix("\n").removeprefix("\r\n")
            self._area = ""


def shown(client: Client, address: str) -> dict[str, str]:
    return fields_of(client.get(address))


def fields_of(response: Any) -> dict[str, str]:
    parser = _Fields()
    parser.feed(response.content.decode())
    return {name: value for name, value in parser.values.items() if "." in name or name in ("reason", "base_version")}


def text_of(response: Any) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", response.content.decode()))


# --- the journey


def test_form__nothing_set__shows_every_parameter_inherited(client: Client) -> None:
    response = client.get(GLOBAL_FORM)
    fields = fields_of(response)

    assert len([name for name in fields if name.startswith("trading.")]) == 31 + 6
    assert {value for name, value in fields.items() if "." in name} == {""}
    assert fields["base_version"] == "0"
    page = text_of(response)
    for heading in (
        "Order execution",
        "Position sizing",
        "Risk management",
        "Signal processing",
        "Weights",
        "Advanced",
    ):
        assert heading in page
    assert "Inherits 10 from default" in page
    assert "Allowed: 1-125 x." in page


@pytest.mark.parametrize(
    ("address", "told"),
    [
        (GLOBAL_FORM, "holds for everything that does not set it itself."),
        (AAPL_FORM, "holds for AAPL, except where one of its sides or a bot sets it itself."),
        (LONG_FORM, "holds for AAPL/LONG, except where a bot sets it itself."),
    ],
)
def test_form__of_each_kind__says_who_may_still_decide_otherwise(client: Client, address: str, told: str) -> None:
    assert told in text_of(client.get(address))


def test_form__set_one_parameter__is_one_change_with_actor_and_reason(client: Client) -> None:
    fields = shown(client, AAPL_FORM) | {"trading.leverage": "20", "reason": "calm market"}

    response = client.post(AAPL_FORM, fields, follow=True)

    assert "1 parameter of AAPL changed: version 1." in text_of(response)
    assert "Set here in version 1; empty would inherit 10 from default" in text_of(response)
    written = ChangeSet.objects.get()
    assert (written.actor_label, written.source, written.reason, written.base_version) == (
        "ann",
        "admin",
        "calm market",
        0,
    )
    assert [(c.parameter, c.new) for c in written.changes.all()] == [("leverage", 20)]


def test_form__every_kind_of_value__is_read_as_people_write_it(client: Client) -> None:
    told = {
        "trading.enabled": "false",
        "trading.position_mode": "one-way",
        "trading.override_min_qty": "none",
        "trading.timeframe_weights": "1h=1.5\r\n4h=2",
        "trading.stop_loss_pct": "1.5",
        "indicator_voting.indicators": "RSI, OBV",
        "reason": "all at once",
    }
    client.post(AAPL_FORM, shown(client, AAPL_FORM) | told)

    assert {name: stored.value for name, stored in selectors.stored(AAPL).items()} == {
        "enabled": False,
        "position_mode": "one-way",
        "override_min_qty": None,
        "timeframe_weights": {"1h": 1.5, "4h": 2.0},
        "stop_loss_pct": 1.5,
    }
    assert value_at(AAPL, "indicators", "indicator_voting") == ["RSI", "OBV"]


def test_form__submitted_as_it_stands__changes_nothing(client: Client) -> None:
    put(AAPL, leverage=20, strategy_weights={"a": 0.1234567890123, "b": 1e16}, override_min_qty=None, enabled=False)
    put(AAPL, stop_loss_pct=0.30000000000000004, default_order_type="limit")

    response = client.post(AAPL_FORM, shown(client, AAPL_FORM) | {"reason": "just looking"}, follow=True)

    assert "Nothing was changed for AAPL." in text_of(response)
    assert ChangeSet.objects.count() == 2


def test_form__row_emptied__is_inherited_again(client: Client) -> None:
    put(GLOBAL, leverage=15)
    put(AAPL, leverage=20)
    client.post(AAPL_FORM, shown(client, AAPL_FORM) | {"trading.leverage": "", "reason": "as everywhere"})

    assert value_at(AAPL, "leverage") == 15
    assert "Inherits 15 from global, version 1" in text_of(client.get(AAPL_FORM))


def test_form__set_to_what_it_inherits__is_pinned(client: Client) -> None:
    client.post(AAPL_FORM, shown(client, AAPL_FORM) | {"trading.leverage": "10", "reason": "must stay"})
    put(GLOBAL, leverage=50)
    assert value_at(AAPL, "leverage") == 10


def test_form__without_a_reason__saves_nothing_and_keeps_what_was_typed(client: Client) -> None:
    response = client.post(AAPL_FORM, shown(client, AAPL_FORM) | {"trading.max_retries": "5", "reason": " "})

    assert "This field is required." in text_of(response)
    assert fields_of(response)["trading.max_retries"] == "5"
    assert ChangeSet.objects.count() == 0


def test_form__several_wrong_rows__names_each_and_saves_nothing(client: Client) -> None:
    wrong = {
        "trading.leverage": "130",
        "trading.stop_loss_pct": "nan",
        "trading.max_retries": "many",
        "trading.margin_type": "both",
        "trading.timeframe_weights": "7m=1",
        "reason": "typing",
    }
    page = text_of(client.post(AAPL_FORM, shown(client, AAPL_FORM) | wrong))

    for message in (
        "leverage is 130, allowed 1-125 x.",
        "stop_loss_pct is nan, expected a finite number.",
        "max_retries is &#x27;many&#x27;, expected int.",
        "margin_type is &#x27;both&#x27;, allowed isolated, cross.",
        "timeframe_weights does not know &#x27;7m&#x27;",
    ):
        assert message in page
    assert ChangeSet.objects.count() == 0


def test_form__values_that_contradict_another_scope__says_which(client: Client) -> None:
    put(AAPL, max_position_size_usd=100.0)
    fields = shown(client, GLOBAL_FORM) | {"trading.min_position_size_usd": "200", "reason": "bigger"}
    response = client.post(GLOBAL_FORM, fields)
    assert "in force for AAPL" in text_of(response)
    assert value_at(GLOBAL, "min_position_size_usd") == 10.0


# --- two people


def test_form__somebody_changed_the_same_parameter__names_it_and_shows_today(client: Client) -> None:
    # Given: Ann opens the form; meanwhile Ben changes leverage and max_retries
    fields = shown(client, AAPL_FORM)
    put(AAPL, leverage=50, max_retries=9, actor=BEN)

    # When: Ann sets leverage and the stop
    mine = {"trading.leverage": "20", "trading.stop_loss_pct": "1.5", "reason": "mine"}
    response = client.post(AAPL_FORM, fields | mine)

    # Then: nothing is saved; hers is kept where she typed, his where she did not
    assert "leverage at AAPL was changed in version 1 by ben: because" in text_of(response)
    again = fields_of(response)
    assert (again["trading.leverage"], again["trading.stop_loss_pct"], again["trading.max_retries"]) == (
        "20",
        "1.5",
        "9",
    )
    assert (again["base_version"], again["reason"]) == ("1", "mine")
    assert value_at(AAPL, "leverage") == 50

    # And: sending it again, now knowingly, saves hers and leaves his other change alone
    client.post(AAPL_FORM, again)
    assert (value_at(AAPL, "leverage"), value_at(AAPL, "max_retries"), value_at(AAPL, "stop_loss_pct")) == (20, 9, 1.5)


def test_form__somebody_changed_another_parameter__saves_and_keeps_theirs(client: Client) -> None:
    fields = shown(client, AAPL_FORM)
    put(AAPL, max_retries=9, actor=BEN)

    client.post(AAPL_FORM, fields | {"trading.leverage": "20", "reason": "mine"})

    assert (value_at(AAPL, "leverage"), value_at(AAPL, "max_retries")) == (20, 9)


# --- lists, adding, clearing, history


def test_list__symbols__shows_each_with_how_much_it_sets(client: Client) -> None:
    put(AAPL, leverage=20, max_retries=5)
    put(side_scope("MSFT", "SHORT"), leverage=20)

    symbols = client.get("/admin/configuration/symbolconfiguration/")
    sides = client.get("/admin/configuration/symbolsideconfiguration/")

    assert "AAPL 2" in text_of(symbols)
    assert "MSFT" not in text_of(symbols)
    assert "MSFT/SHORT 1" in text_of(sides)
    assert "/admin/configuration/symbolsideconfiguration/MSFT_3ASHORT/change/" in sides.content.decode()


def test_list__global__is_the_one_form(client: Client) -> None:
    assert client.get("/admin/configuration/globalconfiguration/").headers["Location"] == GLOBAL_FORM


def test_add__symbol_and_side__leads_to_the_form_and_stores_nothing(client: Client) -> None:
    response = client.post("/admin/configuration/symbolsideconfiguration/add/", {"symbol": " btc/usd ", "side": "LONG"})
    form = response.headers["Location"]

    assert client.get(form).status_code == 200
    assert Override.objects.count() == 0
    client.post(form, shown(client, form) | {"trading.leverage": "3", "reason": "crypto"})
    assert value_at(side_scope("BTC/USD", "LONG"), "leverage") == 3


def test_add__what_is_no_symbol__is_said(client: Client) -> None:
    response = client.post("/admin/configuration/symbolconfiguration/add/", {"symbol": "a b"})
    assert "symbol is &#x27;A B&#x27;" in text_of(response)


def test_clear__with_a_reason__inherits_everything_again(client: Client) -> None:
    put(AAPL, leverage=20)
    put(AAPL, namespace="indicator_voting", rsi_period=9)
    address = "/admin/configuration/symbolconfiguration/AAPL/delete/"
    fields = shown(client, address)

    refused = client.post(address, fields | {"reason": ""})
    assert "This field is required." in text_of(refused)
    assert selectors.stored(AAPL)["leverage"].value == 20

    client.post(address, fields | {"reason": "sold it"})
    assert (selectors.stored(AAPL), selectors.stored(AAPL, "indicator_voting")) == ({}, {})
    newest = ChangeSet.objects.get(version=3)
    assert (newest.kind, newest.reason, newest.changes.count()) == ("delete", "sold it", 2)


def test_clear__somebody_changed_it_meanwhile__is_refused(client: Client) -> None:
    put(AAPL, leverage=20)
    address = "/admin/configuration/symbolconfiguration/AAPL/delete/"
    fields = shown(client, address)
    put(AAPL, leverage=30, actor=BEN)

    response = client.post(address, fields | {"reason": "sold it"})

    assert "changed in version 2 by ben" in text_of(response)
    assert value_at(AAPL, "leverage") == 30


def test_history__of_a_scope__shows_before_after_who_why_when(client: Client) -> None:
    put(AAPL, leverage=20)
    put(GLOBAL, max_retries=9)
    put(AAPL, leverage=30, override_min_qty=None, actor=BEN)

    page = text_of(client.get("/admin/configuration/symbolconfiguration/AAPL/history/"))

    assert page.index("Version 3") < page.index("Version 1")
    assert "2026-03-02 12:00:00 UTC , ben, by cli. Reason: because" in page
    assert "leverage 20 30" in page
    assert "leverage inherited 20" in page
    assert "override_min_qty inherited not set" in page
    assert "max_retries" not in page


@pytest.mark.parametrize("address", [AAPL_FORM, "/admin/configuration/symbolconfiguration/AAPL/history/", "/admin/configuration/symbolconfiguration/"])  # fmt: skip  # noqa: E501
def test_pages__more_rows__cost_the_same_queries(
    client: Client, address: str, django_assert_max_num_queries: Any
) -> None:
    for retries in range(9):
        put(AAPL, max_retries=retries, leverage=20 + retries)
        put(symbol_scope(f"S{retries}"), leverage=20)
    with django_assert_max_num_queries(10):
        assert client.get(address).status_code == 200


# --- who may, and what nobody may


def test_pages__anonymous_or_without_permission__are_closed(client: Client) -> None:
    nobody = Client()
    assert nobody.get(AAPL_FORM).status_code == 302
    nobody.force_login(a_person("staff", role="", is_staff=True))
    for page in ("change", "history", "delete"):
        assert nobody.get(reverse(f"admin:configuration_symbolconfiguration_{page}", args=["AAPL"])).status_code == 403
    assert nobody.get("/admin/configuration/symbolconfiguration/").status_code == 403


def test_form__of_a_viewer__reads_and_cannot_save(client: Client) -> None:
    reading = Client()
    reading.force_login(a_person("viewer", is_staff=True))

    page = reading.get(AAPL_FORM)

    assert page.status_code == 200
    assert 'type="submit" value="Save"' not in page.content.decode()
    assert reading.post(AAPL_FORM, fields_of(page) | {"trading.leverage": "20", "reason": "x"}).status_code == 403
    assert reading.post("/admin/configuration/symbolconfiguration/add/", {"symbol": "X"}).status_code == 403
    assert ChangeSet.objects.count() == 0


@pytest.mark.parametrize("model", ["changeset", "override", "snapshot"])
def test_records__in_the_admin__can_be_read_only(client: Client, model: str) -> None:
    put(GLOBAL, leverage=20)
    services.keep(selectors.snapshot_for(some_bot()))
    key = {"changeset": 1, "override": Override.objects.get().pk, "snapshot": Snapshot.objects.get().pk}[model]
    base = f"/admin/configuration/{model}"

    assert client.get(f"{base}/").status_code == 200
    assert client.get(f"{base}/{key}/change/").status_code == 200
    assert client.get(f"{base}/add/").status_code == 403
    assert client.post(f"{base}/{key}/change/", {"reason": "forged"}).status_code == 405
    assert client.post(f"{base}/{key}/delete/", {"post": "yes"}).status_code == 403
    client.post(f"{base}/", {"action": "delete_selected", "_selected_action": key, "post": "yes"})
    assert (ChangeSet.objects.get().reason, Override.objects.count(), Snapshot.objects.count()) == ("because", 1, 1)


@pytest.mark.parametrize("object_id", ["a b", "AAPL_3ALONG", "aapl", ""])
def test_form__address_of_no_scope__is_not_found(client: Client, object_id: str) -> None:
    response = client.get(f"/admin/configuration/symbolsideconfiguration/{object_id}x/change/")
    assert response.status_code == 404


def test_pages__all__have_no_inline_script_or_style(client: Client) -> None:
    put(AAPL, leverage=20)
    for page in ("", "add/", "AAPL/change/", "AAPL/history/", "AAPL/delete/"):
        html = client.get(f"/admin/configuration/symbolconfiguration/{page}").content.decode()
        main = html[html.index('id="content-main"') :]
        assert not re.search(r"<script|<style|\sstyle=|\son[a-z]+=", main)
