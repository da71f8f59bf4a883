"""What the tests of this app share: a cache folder of their own."""

from pathlib import Path

import pytest

from marketdata import barstore


@pytest.fixture(autouse=True)
def data_dir(tmp_path: Path, settings) -> Path:
    """Each test fills its own cache."""
    settings.DATA_DIR = tmp_path
    barstore._opened.cache_clear()
    return tmp_path
