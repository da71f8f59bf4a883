"""Each indicator against TA-Lib from its first value, and against pandas-ta once both have warmed up.

Agreement: |a - b| <= 1e-9 x max(|b|, scale); the scale is the price, or 100 for oscillators.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from engine.domain.values import Floats, Series
from engine.tests import kernels, worlds

SHIPPED = ["AAPL", "GOOG", "IBM", "MSFT"]
REAL = ["AAPL_1d_lean", "SPY_1h_lean", "EURUSD_1h_lean-oanda", "LTCUSD_1h_bitfinex", "ETHBTC_5m_freqtrade"]
# Both libraries seed exponential averages in their own way; after 1,500 bars a difference of the seed
# has shrunk by (1 - 1/14) ** 1500 < 1e-48.
WARM = 1500


@pytest.fixture(scope="module", params=[*SHIPPED, *REAL])
def series(request: pytest.FixtureRequest) -> Series:
    """Four shipped and five borrowed real series, of two currencies, three stocks' kinds and two coins."""
    if request.param in SHIPPED:
        return worlds.shipped_series(request.param)
    return worlds.market_series(request.param, last=40_000)


def assert_agree(ours: Floats, theirs: Any, scale: Any, *, since: int = 0) -> None:
    """NaN in the same places from ``since`` on, and values that agree as defined above."""
    theirs = np.asarray(theirs, np.float64)
    ours, theirs = ours[since:], theirs[since:]
    scale = np.broadcast_to(scale, (len(ours) + since,))[since:]
    assert np.array_equal(np.isnan(ours), np.isnan(theirs))
    apart = np.abs(ours - theirs) / np.maximum(np.abs(theirs), scale)
    assert np.nanmax(apart) <= 1e-9


def first_value(line: Floats) -> int:
    """The bar, counted from 1, on which a line has its first value."""
    return int(np.argmax(~np.isnan(line))) + 1


# --- against TA-Lib, from the first value on


def test_rsi__real_series__agrees_with_talib(series: Series, talib: Any) -> None:
    assert_agree(kernels.rsi_line(series.close, 14), talib.RSI(series.close, 14), 100.0)


def test_macd__real_series__agrees_with_talib(series: Series, talib: Any) -> None:
    histogram, before = kernels.macd_lines(series.close, 12, 26, 9)
    theirs = talib.MACD(series.close, 12, 26, 9)[2]
    assert_agree(histogram[33:], theirs[33:], series.close[33:])
    assert np.isnan(before[:34]).all()
    assert np.array_equal(before[34:], histogram[33:-1])


def test_sma__real_series__agrees_with_talib(series: Series, talib: Any) -> None:
    assert_agree(kernels.sma_line(series.close, 50), talib.SMA(series.close, 50), series.close)


def test_ema__real_series__agrees_with_talib(series: Series, talib: Any) -> None:
    assert_agree(kernels.ema_line(series.close, 20), talib.EMA(series.close, 20), series.close)


def test_bollinger_bands__real_series__agree_with_talib(series: Series, talib: Any) -> None:
    lower, middle, upper = kernels.bbands_lines(series.close, 20, 2.0)
    their_upper, their_middle, their_lower = talib.BBANDS(series.close, 20, 2.0, 2.0)
    assert_agree(middle, their_middle, series.close)
    assert_agree(lower, their_lower, series.close)
    assert_agree(upper, their_upper, series.close)


def test_stochastic__real_series__agrees_with_talib(series: Series, talib: Any) -> None:
    k_line, d_line, _ = kernels.stoch_lines(series.high, series.low, series.close, 14, 3)
    their_k, their_d = talib.STOCH(series.high, series.low, series.close, 14, 3, 0, 3, 0)
    # TA-Lib withholds %K until %D exists too; ours exists two bars sooner.
    assert first_value(k_line) == 16
    assert_agree(d_line, their_d, 100.0)
    assert_agree(k_line[17:], their_k[17:], 100.0)


def test_obv__real_series__agrees_with_talib(series: Series, talib: Any) -> None:
    total, change = kernels.obv_lines(series.close, series.volume)
    assert_agree(total, talib.OBV(series.close, series.volume), np.maximum(series.volume.max(), 1.0))
    assert change[0] == 0.0


@pytest.mark.parametrize("period", [2, 3, 5, 21, 100])
def test_one_line_indicators__other_periods__agree_with_talib(period: int, talib: Any) -> None:
    close = worlds.shipped_series("IBM").close
    assert_agree(kernels.rsi_line(close, period), talib.RSI(close, period), 100.0)
    assert_agree(kernels.sma_line(close, period), talib.SMA(close, period), close)
    assert_agree(kernels.ema_line(close, period), talib.EMA(close, period), close)
    lower, _, upper = kernels.bbands_lines(close, period, 1.5)
    their_upper, _, their_lower = talib.BBANDS(close, period, 1.5, 1.5)
    assert_agree(lower, their_lower, close)
    assert_agree(upper, their_upper, close)


@pytest.mark.parametrize(("fast", "slow", "signal"), [(2, 3, 2), (5, 35, 5), (99, 200, 100)])
def test_macd__other_periods__agrees_with_talib(fast: int, slow: int, signal: int, talib: Any) -> None:
    close = worlds.shipped_series("MSFT").close
    histogram, _ = kernels.macd_lines(close, fast, slow, signal)
    began = slow + signal - 2
    assert_agree(histogram[began:], talib.MACD(close, fast, slow, signal)[2][began:], close[began:])


@pytest.mark.parametrize(("k_period", "d_period"), [(2, 2), (5, 5), (100, 100)])
def test_stochastic__other_periods__agrees_with_talib(k_period: int, d_period: int, talib: Any) -> None:
    one = worlds.shipped_series("GOOG")
    k_line, d_line, _ = kernels.stoch_lines(one.high, one.low, one.close, k_period, d_period)
    their_k, their_d = talib.STOCH(one.high, one.low, one.close, k_period, 3, 0, d_period, 0)
    assert_agree(d_line, their_d, 100.0)
    assert_agree(k_line[k_period + d_period :], their_k[k_period + d_period :], 100.0)


# --- against pandas-ta, after warm-up


def test_lines__real_series__agree_with_pandas_ta_after_warm_up(series: Series, pandas_ta: Any) -> None:
    pandas = pytest.importorskip("pandas")
    high, low, close, volume = (pandas.Series(one) for one in (series.high, series.low, series.close, series.volume))
    theirs_bands = pandas_ta.bbands(close, length=20, lower_std=2.0, upper_std=2.0, ddof=0, talib=False)
    theirs_stoch = pandas_ta.stoch(high, low, close, k=14, d=3, smooth_k=3, talib=False)
    theirs_macd = pandas_ta.macd(close, fast=12, slow=26, signal=9, talib=False)
    lower, middle, upper = kernels.bbands_lines(series.close, 20, 2.0)
    k_line, d_line, flat = kernels.stoch_lines(series.high, series.low, series.close, 14, 3)
    prices = series.close
    pairs: list[tuple[Floats, Any, Any]] = [
        (kernels.rsi_line(prices, 14), pandas_ta.rsi(close, length=14, talib=False), 100.0),
        (kernels.macd_lines(prices)[0], theirs_macd.iloc[:, 1], prices),
        (kernels.sma_line(prices, 50), pandas_ta.sma(close, length=50, talib=False), prices),
        (kernels.ema_line(prices, 20), pandas_ta.ema(close, length=20, talib=False), prices),
        (lower, theirs_bands.iloc[:, 0], prices),
        (middle, theirs_bands.iloc[:, 1], prices),
        (upper, theirs_bands.iloc[:, 2], prices),
        # pandas-ta begins its total elsewhere; every step of it is ours.
        (kernels.obv_lines(prices, series.volume)[1], pandas_ta.obv(close, volume, talib=False).diff(), 1.0),
    ]
    for ours, theirs, scale in pairs:
        assert_agree(ours, theirs, scale, since=WARM)
    # A range without height: TA-Lib says 0 where pandas-ta divides by almost nothing.
    if not flat.any():
        assert_agree(k_line, theirs_stoch.iloc[:, 0].reindex(range(len(prices))), 100.0, since=WARM)
        assert_agree(d_line, theirs_stoch.iloc[:, 1].reindex(range(len(prices))), 100.0, since=WARM)


# --- against fresh windows, after a long and violent history


def test_bollinger_bands__whole_series_of_minutes__still_agree_with_talib(talib: Any) -> None:
    # A running sum of squares was 1e-8 of the price off here.
    close = worlds.market_series("BTCUSD_1m_bitfinex").close
    lower, _, upper = kernels.bbands_lines(close, 20, 2.0)
    their_upper, _, their_lower = talib.BBANDS(close, 20, 2.0, 2.0)
    assert_agree(lower, their_lower, close)
    assert_agree(upper, their_upper, close)


def test_running_sums__long_series_with_a_crash__stay_with_a_fresh_window() -> None:
    # Given: 60,000 closes that fall from 1,000 to 1, where a running sum of squares could remember too much
    closes = worlds.random_series(5, 60_000).close
    closes = np.ascontiguousarray(np.round(closes / closes[0] * np.linspace(1000.0, 1.0, len(closes)), 2) + 0.01)
    _, middle, upper = kernels.bbands_lines(closes, 20, 2.0)
    windows = np.lib.stride_tricks.sliding_window_view(closes, 20)
    # Then: the mean and the deviation of the last 20 closes alone
    assert_agree(middle[19:], windows.mean(axis=1), closes[19:])
    assert_agree(upper[19:], windows.mean(axis=1) + 2.0 * windows.std(axis=1), closes[19:])


# --- by hand


def test_first_values__counting_bars__come_where_the_definitions_say() -> None:
    one = worlds.shipped_series("AAPL")
    k_line, d_line, _ = kernels.stoch_lines(one.high, one.low, one.close, 14, 3)
    # RSI(14): 14 changes need 15 closes. MACD: the slow average's first value on bar 26 is the first
    # of the 9 the signal line needs: 34. %K: 14 bars, smoothed over 3: 16; %D two bars later.
    assert first_value(kernels.rsi_line(one.close, 14)) == 15
    assert first_value(kernels.macd_lines(one.close)[0]) == 34
    assert first_value(kernels.macd_lines(one.close)[1]) == 35
    assert first_value(kernels.sma_line(one.close, 50)) == 50
    assert first_value(kernels.ema_line(one.close, 20)) == 20
    assert first_value(kernels.bbands_lines(one.close, 20)[0]) == 20
    assert first_value(k_line) == 16
    assert first_value(d_line) == 18
    assert first_value(kernels.obv_lines(one.close, one.volume)[0]) == 1


@pytest.mark.parametrize(
    ("line", "needs"),
    [
        (lambda close: kernels.rsi_line(close, 14), 15),
        (lambda close: kernels.macd_lines(close)[0], 34),
        (lambda close: kernels.sma_line(close, 50), 50),
        (lambda close: kernels.ema_line(close, 20), 20),
        (lambda close: kernels.bbands_lines(close, 20)[1], 20),
        (lambda close: kernels.stoch_lines(close, close, close)[1], 18),
    ],
)
def test_lines__one_bar_too_few__have_no_value(line: Callable[[Floats], Floats], needs: int) -> None:
    close = np.linspace(100.0, 130.0, needs)
    assert np.isnan(line(close[:-1])).all()
    assert not np.isnan(line(close)[-1])


def test_rsi__only_gains__is_100() -> None:
    assert kernels.rsi_line(np.arange(1.0, 40.0), 14)[-1] == 100.0


def test_rsi__only_losses__is_0() -> None:
    assert kernels.rsi_line(np.arange(40.0, 1.0, -1.0), 14)[-1] == 0.0


def test_rsi__no_movement_at_all__is_50() -> None:
    # Neither side has moved: no opinion. (TA-Lib answers 0 here, which would read as "oversold".)
    assert set(kernels.rsi_line(np.full(40, 100.0), 14)[14:]) == {50.0}


def test_rsi__three_closes_of_period_two__by_hand() -> None:
    # Changes +2, -1: averages 2/2 = 1 and 1/2; 100 x 1 / 1.5 = 66.666...
    # Next change +1: gain (1 x 1 + 1) / 2 = 1, loss (0.5 x 1 + 0) / 2 = 0.25; 100 x 1 / 1.25 = 80.
    line = kernels.rsi_line(worlds.floats(10.0, 12.0, 11.0, 12.0), 2)
    assert np.isnan(line[:2]).all()
    assert line[2] == pytest.approx(200.0 / 3.0, rel=1e-15)
    assert line[3] == pytest.approx(80.0, rel=1e-15)


def test_averages__five_closes__by_hand() -> None:
    closes = worlds.floats(1.0, 2.0, 6.0, 4.0, 8.0)
    # SMA(3): 9/3, 12/3, 18/3. EMA(3), alpha 1/2, seed 3: (4+3)/2 = 3.5, (8+3.5)/2 = 5.75.
    assert kernels.sma_line(closes, 3)[2:].tolist() == [3.0, 4.0, 6.0]
    assert kernels.ema_line(closes, 3)[2:].tolist() == [3.0, 3.5, 5.75]


def test_macd__six_closes__by_hand() -> None:
    # fast 2 (alpha 2/3), slow 3 (alpha 1/2), signal 2 (alpha 2/3); closes 3 6 9 9 9.
    # Bar 3: fast mean(6, 9) = 7.5, slow mean(3, 6, 9) = 6, line 1.5.
    # Bar 4: fast 7.5 + 1.5 x 2/3 = 8.5, slow 6 + 3/2 = 7.5, line 1; signal mean(1.5, 1) = 1.25; histogram -0.25.
    # Bar 5: fast 8.5 + 0.5 x 2/3 = 8.8333, slow 8.25, line 0.58333; signal 1.25 - 0.66667 x 2/3 = 0.80556;
    # histogram -0.22222.
    histogram, before = kernels.macd_lines(worlds.floats(3.0, 6.0, 9.0, 9.0, 9.0), 2, 3, 2)
    assert np.isnan(histogram[:3]).all()
    assert histogram[3:] == pytest.approx([-0.25, -2.0 / 9.0], rel=1e-12)
    assert np.isnan(before[3])
    assert before[4] == histogram[3]


def test_bollinger_bands__four_closes__use_the_population_deviation() -> None:
    # mean(1, 3, 1, 3) = 2; population variance 1 (the sample's would be 4/3).
    lower, middle, upper = kernels.bbands_lines(worlds.floats(1.0, 3.0, 1.0, 3.0), 4, 2.0)
    assert (lower[3], middle[3], upper[3]) == (0.0, 2.0, 4.0)


def test_bollinger_bands__flat_closes__have_no_width() -> None:
    lower, middle, upper = kernels.bbands_lines(np.full(30, 64.0), 20, 2.0)
    assert lower[-1] == middle[-1] == upper[-1] == 64.0


def test_stochastic__by_hand__places_the_close_in_the_range() -> None:
    # k 2, smoothing 3, d 2; range of two bars always 0..10, closes 5 5 10 0 10: raw from bar 2: 50 100 0 100.
    # %K from bar 4: mean(50, 100, 0) = 50, mean(100, 0, 100) = 66.67; %D on bar 5: 58.33.
    high, low = np.full(5, 10.0), np.zeros(5)
    k_line, d_line, flat = kernels.stoch_lines(high, low, worlds.floats(5.0, 5.0, 10.0, 0.0, 10.0), 2, 2)
    assert k_line[3:] == pytest.approx([50.0, 200.0 / 3.0], rel=1e-12)
    assert np.isnan(d_line[3])
    assert d_line[4] == pytest.approx(175.0 / 3.0, rel=1e-12)
    assert not flat.any()


def test_stochastic__range_without_height__is_told_apart() -> None:
    flat_prices = np.full(20, 50.0)
    k_line, _, flat = kernels.stoch_lines(flat_prices, flat_prices, flat_prices, 14, 3)
    assert flat[-1] == 1.0
    assert k_line[-1] == 0.0


def test_obv__by_hand__adds_on_a_rise_and_takes_off_on_a_fall() -> None:
    total, change = kernels.obv_lines(worlds.floats(10.0, 11.0, 11.0, 9.0), worlds.floats(5.0, 7.0, 9.0, 4.0))
    assert total.tolist() == [5.0, 12.0, 12.0, 8.0]
    assert change.tolist() == [0.0, 7.0, 0.0, -4.0]
