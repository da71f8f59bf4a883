"""Studies: any pandas-ta indicator, the same numbers as the library's own, computed once, never in the web process."""

import json
import subprocess
import sys
import warnings

import numpy as np
import pytest

from engine.domain.errors import InputError
from engine.domain.values import Series
from marketdata import selectors, services, studies, tasks
from marketdata.models import Study
from marketdata.tests.builders import NOW, a_dataset, an_instrument, some_bars

pytestmark = pytest.mark.django_db


@pytest.fixture
def ibm() -> selectors.DatasetInfo:
    services.import_samples(NOW)
    return selectors.default_dataset("IBM", "1d")


def by_the_library(name: str, series: Series, **arguments) -> dict[str, np.ndarray]:
    """The indicator asked for directly, as a notebook would."""
    import pandas as pd
    import pandas_ta
    from pandas_ta.maps import Imports

    index = pd.DatetimeIndex(series.open_ms.astype("datetime64[ms]"))
    inputs = {
        key: pd.Series(np.array(getattr(series, column)), index) for key, column in studies._inputs_of(name).items()
    }
    had_talib, Imports["talib"] = Imports["talib"], False
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            answer = getattr(pandas_ta, name)(**inputs, **arguments, talib=False)
    finally:
        Imports["talib"] = had_talib
    answer = answer[0] if isinstance(answer, tuple) else answer
    frame = answer.to_frame() if isinstance(answer, pd.Series) else answer
    return {str(column): frame[column].to_numpy(float, na_value=np.nan) for column in frame.columns}


def work_off(study_id) -> None:
    """What a worker does with the message."""
    message = {"study_id": str(study_id), "later": "a newer web process may send more"}
    tasks.compute_study.apply(kwargs=message, throw=True)


def computed(dataset_id, name: str, parameters: dict) -> tuple[selectors.StudyInfo, dict[str, np.ndarray]]:
    found = services.request_study(dataset_id, name, parameters, now=NOW)
    work_off(found.study_id)
    page = selectors.bars_page(dataset_id, max_points=5_000)
    return selectors.study(found.study_id), selectors.study_values(found.study_id, page)


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("rsi", {"length": 14}),
        ("macd", {"fast": 12, "slow": 26, "signal": 9}),
        ("sma", {"length": 50}),
        ("ema", {"length": 20}),
        ("bbands", {"length": 20, "lower_std": 2.0, "upper_std": 2.0, "ddof": 0}),
        ("stoch", {"k": 14, "d": 3, "smooth_k": 3}),
        ("obv", {}),
        ("atr", {"length": 14, "percent": True}),
        ("vwap", {}),
    ],
)
def test_study__stored_values__equal_the_librarys_without_talib(ibm, name: str, parameters: dict) -> None:
    expected = by_the_library(name, selectors.closed_bars(ibm.id), **parameters)

    info, values = computed(ibm.id, name, parameters)

    assert info.status == "completed"
    assert list(values) == list(expected) == list(info.columns)
    for column, numbers in expected.items():
        np.testing.assert_array_equal(values[column], numbers)


@pytest.mark.slow
def test_study__every_one_in_the_catalogue__computes_with_its_defaults_as_the_library_does(ibm) -> None:
    """Also proves that the defaults read from the source are the ones the library uses."""
    series = selectors.closed_bars(ibm.id)

    for name in studies.catalogue():
        ours = studies.compute(name, studies.canonical(name, {}), series)
        expected = by_the_library(name, series)
        assert list(ours) == list(expected), name
        assert all(np.array_equal(ours[column], expected[column], equal_nan=True) for column in ours), name


@pytest.mark.slow
def test_study__those_that_change_when_the_future_is_cut_off__are_marked(ibm) -> None:
    series = selectors.closed_bars(ibm.id)
    whole = Series._make(column[:1_500] for column in series)
    changed = set()
    for name in studies.catalogue():
        full = studies.compute(name, studies.canonical(name, {}), whole)
        for stop in (400, 637, 812, 1_203):
            try:
                part = studies.compute(name, studies.canonical(name, {}), Series._make(c[:stop] for c in whole))
            except studies.StudyFailed:
                continue
            same = list(part) == list(full) and all(
                np.allclose(part[column], full[column][:stop], rtol=1e-6, equal_nan=True) for column in full
            )
            changed |= set() if same else {name}

    assert changed <= studies.SEES_AHEAD
    assert changed >= {"dpo", "ichimoku", "vhm"}


def test_catalogue__known_indicators__have_the_parameters_of_their_signature() -> None:
    found = studies.catalogue()

    assert len(found) > 140
    rsi = {parameter.name: parameter for parameter in found["rsi"].parameters}
    assert set(rsi) == {"length", "scalar", "mamode", "drift", "offset"}
    assert (rsi["length"].default, rsi["length"].minimum, rsi["length"].maximum) == (14, 1, 5_000)
    assert "rma" in rsi["mamode"].choices
    assert found["bbands"].inputs == ("close",)
    assert "talib" not in {parameter.name for parameter in found["macd"].parameters}


@pytest.mark.parametrize(
    ("name", "parameters", "codes"),
    [
        ("no_such_thing", {}, ["unknown_study"]),
        ("vp", {}, ["unknown_study"]),
        ("__init__", {}, ["unknown_study"]),
        ("rsi", {"lenght": 14}, ["unknown_parameter"]),
        ("rsi", {"talib": True}, ["unknown_parameter"]),
        ("rsi", {"close": [1]}, ["unknown_parameter"]),
        ("rsi", {"length": 0}, ["out_of_range"]),
        ("rsi", {"length": 5_001}, ["out_of_range"]),
        ("rsi", {"length": "14"}, ["wrong_type"]),
        ("rsi", {"length": 14.5}, ["wrong_type"]),
        ("rsi", {"length": True}, ["wrong_type"]),
        ("rsi", {"scalar": float("nan")}, ["wrong_type"]),
        ("rsi", {"offset": -1}, ["out_of_range"]),  # a shift to the left shows the future
        ("rsi", {"mamode": "magic"}, ["unknown_choice"]),
        ("rsi", {"length": 0, "drift": "x", "nope": 1}, ["out_of_range", "wrong_type", "unknown_parameter"]),
    ],
)
def test_request_study__bad_name_or_parameters__all_faults_and_nothing_queued(
    ibm, name: str, parameters: dict, codes: list[str]
) -> None:
    with pytest.raises(InputError) as caught:
        services.request_study(ibm.id, name, parameters, now=NOW)

    assert [fault.code for fault in caught.value.faults] == codes
    assert not Study.objects.exists()


def test_request_study__defaults_spelled_out_or_not__is_one_study_computed_once(ibm) -> None:
    first = services.request_study(ibm.id, "rsi", {}, now=NOW)
    second = services.request_study(ibm.id, "rsi", {"length": 14, "scalar": 100.0, "offset": None}, now=NOW)

    assert (first.must_compute, second.must_compute) == (True, False)
    assert first.study_id == second.study_id


def test_compute_study__delivered_twice__keeps_the_first_result(ibm) -> None:
    info, values = computed(ibm.id, "sma", {"length": 3})
    work_off(info.id)

    assert selectors.study(info.id) == info
    assert values["SMA_3"].size == ibm.bar_count


def test_compute_study__fewer_bars_than_the_length__fails_with_a_code() -> None:
    an_instrument()
    info, values = computed(a_dataset(some_bars(10)), "sma", {"length": 50})

    assert (info.status, info.error_code) == ("failed", "too_few_bars")
    assert "10 bars" in info.error_message
    assert values == {}


def test_compute_study__bars_changed_meanwhile__fails_and_can_be_asked_for_again() -> None:
    an_instrument()
    dataset_id = a_dataset(some_bars(10))
    found = services.request_study(dataset_id, "sma", {"length": 3}, now=NOW)
    fresh = Series._make(column[10:] for column in some_bars(11))
    services.append_bars(dataset_id, fresh, now=NOW)

    work_off(found.study_id)

    assert selectors.study(found.study_id).error_code == "bars_changed"
    assert services.request_study(dataset_id, "sma", {"length": 3}, now=NOW).must_compute


def test_study_values__window_and_merged_points__take_the_last_value_of_each_point(ibm) -> None:
    found = services.request_study(ibm.id, "sma", {"length": 2}, now=NOW)
    work_off(found.study_id)
    bars = selectors.closed_bars(ibm.id)
    start, end = int(bars.open_ms[100]), int(bars.open_ms[110])

    page = selectors.bars_page(ibm.id, start_ms=start, end_ms=end, max_points=4)
    values = selectors.study_values(found.study_id, page)["SMA_2"]

    # Ten bars, three to a point: the values at bars 102, 105, 108 and 109.
    expected = [(bars.close[row - 1] + bars.close[row]) / 2 for row in (102, 105, 108, 109)]
    np.testing.assert_allclose(values, expected, rtol=1e-12)


def test_study_values__bars_newer_than_the_study__have_none() -> None:
    an_instrument()
    dataset_id = a_dataset(some_bars(10))
    info, _ = computed(dataset_id, "sma", {"length": 3})
    services.append_bars(dataset_id, Series._make(column[10:] for column in some_bars(12)), now=NOW)

    values = selectors.study_values(info.id, selectors.bars_page(dataset_id))["SMA_3"]

    assert np.isnan(values).tolist() == [True, True] + [False] * 8 + [True, True]


def test_web_modules__imported__load_neither_pandas_nor_numba_nor_pandas_ta() -> None:
    code = (
        "import json, sys, django; django.setup(); "
        "import marketdata.admin, marketdata.api.urls, marketdata.tasks, marketdata.services; "
        "from marketdata import studies; studies.catalogue(); "
        "print(json.dumps(sorted({name.split('.')[0] for name in sys.modules})))"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    loaded = set(json.loads(answer.stdout.splitlines()[-1]))
    assert loaded & {"pandas", "numba", "pandas_ta", "alpaca", "exchange_calendars", "bokeh_sampledata"} == set()
