"""How much of a body the API reads before it says no."""

import io
from typing import Any

import pytest

from tradingsite.api.errors import TooLarge
from tradingsite.api.parsers import BODY_LIMIT_BYTES, StrictJSON


class _Patient:
    """A view that takes more than others."""

    body_limit_bytes = 2 * BODY_LIMIT_BYTES


def _parsed(size: int, view: object = None) -> Any:
    # Two quotes around the letters: ``size`` bytes of JSON in all.
    body = b'"' + b"a" * (size - 2) + b'"'
    return StrictJSON().parse(io.BytesIO(body), parser_context={"view": view})


def test_body__exactly_at_the_limit__is_read() -> None:
    assert len(_parsed(BODY_LIMIT_BYTES)) == BODY_LIMIT_BYTES - 2


def test_body__one_byte_over_the_limit__is_refused_with_413_and_the_limit() -> None:
    with pytest.raises(TooLarge, match="1,048,576") as refused:
        _parsed(BODY_LIMIT_BYTES + 1)

    assert refused.value.status == 413


def test_body__view_that_takes_more__is_read_up_to_its_own_limit() -> None:
    assert _parsed(BODY_LIMIT_BYTES + 1, _Patient())
    with pytest.raises(TooLarge):
        _parsed(2 * BODY_LIMIT_BYTES + 1, _Patient())
