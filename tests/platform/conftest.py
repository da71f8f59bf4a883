"""What the tests of the platform share."""

import io
import logging
import logging.config
from collections.abc import Iterator

import pytest

from tradingsite import logs


@pytest.fixture
def lines() -> Iterator[io.StringIO]:
    """What a process with JSON logs writes."""
    root = logging.getLogger()
    before = (root.handlers[:], root.level)
    stream = io.StringIO()
    configuration = logs.settings(level="INFO", is_json=True)
    configuration["handlers"]["standard_output"]["stream"] = stream
    logging.config.dictConfig(configuration)
    yield stream
    root.handlers, root.level = before[0], before[1]
