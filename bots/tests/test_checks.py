"""Each limit of the order path ends before the next one begins."""

from datetime import timedelta

from bots import checks


def test_limits__as_they_are__rise() -> None:
    assert checks.limits_rise(None) == []
    # 5 s, 13 s, 60 s, 90 s, 120 s: the order protocol's, written out so that a change is looked at
    assert [limit.total_seconds() for _, limit in checks.LIMITS] == [5, 13, 60, 90, 120]


def test_limits__a_lease_shorter_than_a_cycle__is_an_error_that_names_both() -> None:
    limits = [("a cycle", timedelta(seconds=60)), ("a lease", timedelta(seconds=60))]
    (error,) = checks.wrong_order(limits)
    assert (error.id, "a lease (60 s)" in error.msg, "a cycle (60 s)" in error.msg) == ("bots.E001", True, True)
