"""What the engine's tests share: the compiler warmed once, and the libraries that serve as oracles."""

import warnings
from typing import Any

import pytest

from engine import _jit


@pytest.fixture(scope="session", autouse=True)
def _compiled_once() -> None:
    """The first test does not pay for the compiler."""
    _jit.ready()


@pytest.fixture(scope="session")
def talib() -> Any:
    """TA-Lib, which writes nothing and reads nothing: a second opinion on every value."""
    return pytest.importorskip("talib")


@pytest.fixture(scope="session")
def pandas_ta() -> Any:
    """pandas-ta, whose own import warns about the pandas it meets."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return pytest.importorskip("pandas_ta")
