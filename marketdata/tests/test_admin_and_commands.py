"""The admin's forms and the commands: thin doors to the same services."""

import gzip
from io import StringIO
from pathlib import Path

import numpy as np
import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import CommandError, call_command

from marketdata import barstore, selectors, services
from marketdata.models import Dataset, Instrument
from marketdata.tests.builders import NO_REAL_DATA, NOW, REAL, a_dataset, an_instrument, as_csv, some_bars

pytestmark = pytest.mark.django_db

FIELDS = {
    "symbol": "ETHUSD", "name": "Ether", "asset_class": "crypto", "calendar": "24/7", "currency": "USD",
    "price_tick": "0.01", "qty_step": "0.001", "min_qty": "0", "min_notional": "0", "max_leverage": "1",
    "is_tradable": "on", "filters_known": "on",
}  # fmt: skip


def test_instrument_form__good__is_defined_through_the_service(admin_client) -> None:
    response = admin_client.post("/admin/marketdata/instrument/add/", FIELDS)

    assert response.status_code == 302
    row = Instrument.objects.get()
    changed = admin_client.post(f"/admin/marketdata/instrument/{row.pk}/change/", FIELDS | {"name": "Ethereum"})
    assert changed.status_code == 302
    assert Instrument.objects.get().name == "Ethereum"


def test_instrument_form__tick_that_divides_nothing__shows_the_services_words(admin_client) -> None:
    response = admin_client.post("/admin/marketdata/instrument/add/", FIELDS | {"price_tick": "0.03"})

    assert "must be a whole number, as 5, 0.25 or 0.01 are" in response.content.decode()
    assert not Instrument.objects.exists()


def test_import_form__good_file__leads_to_the_dataset_with_its_report(admin_client) -> None:
    an_instrument()
    assert "BTCUSD" in admin_client.get("/admin/marketdata/dataset/add/").content.decode()
    file = SimpleUploadedFile("bars.csv", as_csv(some_bars(3)).read())
    fields = {"symbol": "BTCUSD", "timeframe": "1m", "source": "csv", "adjustment": "raw", "file": file}

    response = admin_client.post("/admin/marketdata/dataset/add/", fields, follow=True)

    page = response.content.decode()
    assert "Imported: raw revision 1" in page
    assert "bars without volume" in page
    assert "style=" not in page.split('id="content"')[1]  # the content security policy forbids inline styles


def test_import_form__bad_file__shows_the_faults_and_stores_nothing(admin_client) -> None:
    an_instrument()
    file = SimpleUploadedFile("bars.csv", b"timestamp,open,high,low,close,volume\n2020-01-01T00:00:00Z,1,1,2,1,1\n")
    fields = {"symbol": "BTCUSD", "timeframe": "1m", "source": "csv", "adjustment": "raw", "file": file}

    page = admin_client.post("/admin/marketdata/dataset/add/", fields).content.decode()

    assert "Line 2: high 1.0 is below low 2.0" in page
    assert not Dataset.objects.exists()


def test_dataset_list__retire__takes_it_out_and_keeps_the_bars(admin_client) -> None:
    an_instrument()
    dataset_id = a_dataset(some_bars(3))
    body = {"action": "retire", "_selected_action": [str(dataset_id)]}

    page = admin_client.post("/admin/marketdata/dataset/", body, follow=True).content.decode()

    assert "1 datasets retired" in page
    assert selectors.datasets() == []
    assert selectors.closed_bars(dataset_id).close.size == 3


def test_dataset_list__more_rows__takes_no_more_queries(admin_client, django_assert_max_num_queries) -> None:
    an_instrument()
    for place in range(6):
        a_dataset(some_bars(3), source=f"s{place}")

    with django_assert_max_num_queries(9):
        assert admin_client.get("/admin/marketdata/dataset/").status_code == 200


def test_study_list__shows_what_was_asked_for(admin_client) -> None:
    an_instrument()
    services.request_study(a_dataset(some_bars(3)), "rsi", {}, now=NOW)

    assert "rsi" in admin_client.get("/admin/marketdata/study/").content.decode()


def run(*arguments: str) -> str:
    out = StringIO()
    call_command(*arguments, stdout=out)
    return out.getvalue()


def test_import_samples_command__twice__says_what_happened() -> None:
    assert "4 datasets imported, 0 were there" in run("import_samples")
    assert "0 datasets imported, 4 were there" in run("import_samples")


def test_import_bars_command__unknown_symbol_with_calendar__defines_and_imports(tmp_path: Path) -> None:
    file = tmp_path / "bars.csv"
    file.write_bytes(as_csv(some_bars(3)).read())
    arguments = ["import_bars", str(file), "--symbol", "XBT", "--timeframe", "1m", "--source", "test"]

    with pytest.raises(CommandError, match="unknown_symbol"):
        run(*arguments)
    assert "raw revision 1 imported" in run(*arguments, "--calendar", "24/7")
    assert Instrument.objects.get().asset_class == "crypto"


def test_import_bars_command__no_such_file__says_so(tmp_path: Path) -> None:
    an_instrument()

    with pytest.raises(CommandError, match="No such file"):
        run("import_bars", str(tmp_path / "none.csv"), "--symbol", "BTCUSD", "--timeframe", "1m", "--source", "x")


def test_verify_bars_command__damaged_cache__is_reported() -> None:
    an_instrument()
    dataset_id = a_dataset(some_bars(3))
    selectors.closed_bars(dataset_id)
    assert "3 bars sound" in run("verify_bars")
    (barstore.cache_folder(selectors.fingerprint(dataset_id)) / "close.npy").write_bytes(b"")

    with pytest.raises(CommandError, match="1 datasets are damaged"):
        run("verify_bars")


needs_real_data = pytest.mark.skipif(not REAL.is_dir(), reason=NO_REAL_DATA)


@needs_real_data
def test_real_apple__raw_with_factors__finds_its_four_splits_and_none_once_adjusted() -> None:
    arguments = ["--symbol", "AAPL", "--timeframe", "1d", "--source", "lean", "--calendar", "XNYS"]
    run("import_bars", str(REAL / "AAPL_1d_lean.csv.gz"), *arguments, "--factors", str(REAL / "AAPL_factors_lean.csv"))

    raw, adjusted = (
        next(info for info in selectors.datasets() if info.adjustment == kind) for kind in ("raw", "adjusted")
    )

    # 2:1, 2:1, 7:1 and 4:1, as Apple announced them; the crash of 2000-09-29 is not among them.
    splits = [split["at"][:10] for split in selectors.quality_report(raw.id)["splits"]]
    assert splits == ["2000-06-21", "2005-02-28", "2014-06-09", "2020-08-31"]
    assert adjusted.marks == ()


@needs_real_data
@pytest.mark.parametrize("name", ["SPY_1d_lean", "IBM_1d_lean", "BAC_1d_lean"])
def test_real_shares__only_their_announced_splits__are_suspected(name: str) -> None:
    symbol = name.split("_", maxsplit=1)[0]
    run("import_bars", str(REAL / f"{name}.csv.gz"), "--symbol", symbol, "--timeframe", "1d", "--source", "lean",
        "--calendar", "XNYS")  # fmt: skip

    # IBM split on 1999-05-27 and BAC on 2004-08-30, as their factor files say; nothing else may be suspected.
    found = [split["at"][:10] for split in selectors.quality_report(selectors.datasets()[0].id)["splits"]]
    assert found == {"SPY": [], "IBM": ["1999-05-27"], "BAC": ["2004-08-30"]}[symbol]


@needs_real_data
def test_real_minutes__imported_and_read_back__are_the_files_numbers(tmp_path: Path) -> None:
    # Given the first hundred thousand minutes of a real file, gaps and all
    with gzip.open(REAL / "BTCUSD_1m_bitfinex.csv.gz", "rt") as whole:
        lines = [line for line, _ in zip(whole, range(100_001), strict=False)]
    path = tmp_path / "minutes.csv"
    path.write_text("".join(lines))
    run("import_bars", str(path), "--symbol", "BTCUSD", "--timeframe", "1m", "--source", "bitfinex", "--calendar",
        "24/7", "--price-tick", "0.00000001")  # fmt: skip

    bars = selectors.closed_bars(selectors.default_datasets(["BTCUSD"], "1m")["BTCUSD"].id)

    expected = np.array([line.rstrip().split(",")[1:] for line in lines[1:]], dtype=np.float64)
    for place, column in enumerate(bars[1:]):
        assert np.array_equal(column, expected[:, place])
    first = np.datetime64(lines[1].split(",")[0].rstrip("Z"), "ms")
    assert bars.open_ms[0] == first.astype(np.int64)
