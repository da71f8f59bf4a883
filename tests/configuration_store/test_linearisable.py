"""The short form of ``python -m tests.configuration_store.play``, and the judge held against records that are wrong."""

import os

import pytest
from django.conf import settings
from django.db import connection, connections

from configuration.models import ConfigHead
from tests.configuration_store.play import Record, judge, play


def on_this_database() -> dict[str, str]:
    path, _, query = settings.DEPLOYMENT.database_url.partition("?")
    return {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "tradingsite.settings.test",
        "DATABASE_URL": f"{path.rpartition('/')[0]}/{connection.settings_dict['NAME']}?{query}",
    }


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("is_listening", [True, False])
def test_reads__of_processes_that_write_at_once__are_never_older_than_an_answer(is_listening: bool) -> None:
    connections.close_all()
    verdict = play(processes=3, changes=60, seed=7, is_listening=is_listening, environment=on_this_database())
    assert verdict.stale == []
    assert verdict.writes == 60
    assert verdict.reads >= 60
    # A write that sets what was set already makes no version; nothing else may be missing.
    assert 50 <= ConfigHead.objects.get().version <= 60


def test_judge__a_read_that_started_after_the_answer_and_saw_less__is_stale() -> None:
    writer = Record([], [(1, 10.0), (2, 20.0)], [], 0)
    assert judge([writer, Record([(20.1, 1, 20.2)], [], [], 0)]).stale == [
        "process 1 read version 1 from 20.100000 to 20.200000, 2 was answered"
    ]
    # It had started before the answer: either version is right.
    assert judge([writer, Record([(19.9, 1, 20.2)], [], [], 0)]).stale == []
    assert judge([writer, Record([(19.9, 2, 20.2)], [], [], 0)]).stale == []


def test_judge__a_process_that_goes_back__is_found() -> None:
    writer = Record([], [(1, 10.0), (2, 30.0)], [], 0)
    assert judge([writer, Record([(11.0, 2, 11.1), (12.0, 1, 12.1)], [], [], 0)]).stale == [
        "process 1 read version 1 at 12.000000 after 2"
    ]


def test_judge__answers_that_overtake_each_other__owe_the_newest() -> None:
    # Version 3 is answered before version 2; from 10 on nobody may see less than 3.
    writers = [Record([], [(2, 11.0)], [], 0), Record([], [(3, 10.0)], [], 0)]
    assert len(judge([*writers, Record([(11.5, 2, 11.6)], [], [], 0)]).stale) == 1


def test_judge__pushes__are_timed_from_the_answer_to_other_processes() -> None:
    verdict = judge([Record([], [(1, 10.0)], [(1, 10.5)], 0), Record([], [], [(1, 10.02)], 0)])
    assert verdict.push_ms == [pytest.approx(20.0)]
