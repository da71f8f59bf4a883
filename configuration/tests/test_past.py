"""Any version, any instant: what was in force then, against a replay of what was asked for."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis

from configuration import canonical, selectors, store
from configuration.catalogue import CATALOGUE, Catalogue
from configuration.image import Image, Path
from configuration.models import CatalogueEdition, ChangeSet
from configuration.scopes import DEFAULT_ORIGIN, GLOBAL, Origin, Scope, bot_scope, side_scope, symbol_scope
from configuration.selectors import Sought, past
from configuration.services import ClearValue, SetValue, changing
from configuration.tests.examples import BEN, NOON, decide, put, undone
from configuration.tests.histories import DEFAULTS, PATHS, in_force, newest_by, plans, written
from engine.domain.errors import InputError, InvariantBroken, NotFound

pytestmark = pytest.mark.django_db
BTC = symbol_scope("BTC")
few = hypothesis(max_examples=10, deadline=None)
HOUR = timedelta(hours=1)


def told(image: Image, where: Scope, name: str) -> tuple[Any, int]:
    resolved = image.resolve("trading", Path.of(where))[name]
    return resolved.value, resolved.origin.version


def asked(where: Scope, **moment: Any) -> dict[str, tuple[Any, int]]:
    found = selectors.resolve(where, ("trading",), **moment)
    return {name: (found[f"trading.{name}"].value, found[f"trading.{name}"].origin.version) for name in DEFAULTS}


# --- every version, every instant, every place


@few
@given(plan=plans)
def test_past__every_version_and_place__is_as_the_replay_has_it(plan: Any) -> None:
    with undone():
        kept = written(plan)
        assert selectors.head().version == len(kept.times)
        for version, state in enumerate(kept.states):
            image = selectors.image_at(version=version)
            expected = {where: {name: in_force(state, where, name) for name in DEFAULTS} for where in PATHS}
            assert {where: {name: told(image, where, name) for name in DEFAULTS} for where in PATHS} == expected
            assert {where: asked(where, at_version=version) for where in PATHS} == expected
            kinds = {type(image.resolve("trading", Path())["min_confidence_threshold"].value)}
            assert kinds == {float}
            # nothing but what was set, retired or not
            stored = {
                (scope, name): tuple(entry)
                for namespace, scope in image.places()
                for name, entry in image.stored(namespace, scope).items()
            }
            assert stored == state


@few
@given(plan=plans)
def test_past__every_instant__is_the_newest_version_recorded_by_then(plan: Any) -> None:
    with undone():
        kept = written(plan)
        moments = {time + shift for time in kept.times for shift in (-HOUR, timedelta(0), HOUR)} | {NOON}
        for instant in moments:
            version = newest_by(kept.times, instant)
            assert selectors.version_at(instant) == version
            assert selectors.image_at(time=instant).version == version
            where = PATHS[-3]
            state = kept.states[version]
            assert asked(where, at_time=instant) == {name: in_force(state, where, name) for name in DEFAULTS}


@few
@given(plan=plans)
def test_difference__any_two_versions__is_the_difference_of_what_was_in_force(plan: Any) -> None:
    with undone():
        kept = written(plan)
        images = [selectors.image_at(version=version) for version in range(len(kept.states))]
        for old, new in ((0, len(images) - 1), (len(images) // 2, len(images) - 1), (len(images) - 1, 0)):
            expected = {
                (where, name, in_force(kept.states[old], where, name)[0], in_force(kept.states[new], where, name)[0])
                for where in {scope for state in (kept.states[old], kept.states[new]) for scope, _ in state} | {GLOBAL}
                for name in DEFAULTS
                if in_force(kept.states[old], where, name)[0] != in_force(kept.states[new], where, name)[0]
            }
            found = selectors.difference(images[old], images[new])
            assert {(f.scope, f.parameter, f.before.value, f.after.value) for f in found} == expected  # type: ignore[union-attr]
            assert len(found) == len(expected)
            for where in PATHS:
                seen = selectors.difference(images[old], images[new], scope=where)
                assert {f.parameter for f in seen} == {
                    name
                    for name in DEFAULTS
                    if in_force(kept.states[old], where, name)[0] != in_force(kept.states[new], where, name)[0]
                }


@few
@given(plan=plans)
def test_sparkline_and_lived__any_history__are_as_the_replay_has_them(plan: Any) -> None:
    with undone():
        kept = written(plan)
        for where in PATHS:
            for name in DEFAULTS:
                values = [in_force(state, where, name)[0] for state in kept.states]
                moved = [at for at in range(1, len(values)) if values[at] != values[at - 1]]
                line = selectors.sparkline("trading", name, where)
                # the line may begin with a decision that changed nothing here
                assert [(p.version, p.value) for p in line if p.version in moved] == [(at, values[at]) for at in moved]
                assert {p.value for p in line if p.version not in moved} <= {DEFAULTS[name]}
                assert all(p.created_at == kept.times[p.version - 1] for p in line)
                lived = selectors.lived("trading", name, where)
                assert (lived and (lived.version, lived.value)) == ((moved[-1], values[-1]) if moved else None)


# --- by hand


def test_resolve__at_a_version__names_origin_and_shadowed_of_then() -> None:
    put(GLOBAL, leverage=11)  # version 1
    put(BTC, leverage=12)  # 2
    put(GLOBAL, leverage=13)  # 3

    then = selectors.resolve(side_scope("BTC", "LONG"), ("trading",), at_version=2)["trading.leverage"]

    assert (then.value, then.origin) == (12, Origin("symbol", symbol="BTC", version=2))
    assert [(one.value, one.origin.version) for one in then.shadowed] == [(11, 1), (10, 0)]
    assert then.shadowed[-1].origin == DEFAULT_ORIGIN


@pytest.mark.parametrize("later", [0, 20])  # folded back from now; forward from nothing
def test_image_at__from_either_end__has_what_was_set_and_nothing_cleared(later: int) -> None:
    put(GLOBAL, leverage=11, max_retries=5)  # version 1
    put(BTC, leverage=12)  # 2
    decide(ClearValue(GLOBAL, "trading", "leverage"))  # 3
    put(GLOBAL, max_retries=6)  # 4
    put(GLOBAL, max_retries=7)  # 5
    for number in range(later):
        put(GLOBAL, leverage=20 + number)

    then = selectors.image_at(version=3)

    assert dict(then.stored("trading", GLOBAL)) == {"max_retries": (5, 1)}
    assert dict(then.stored("trading", BTC)) == {"leverage": (12, 2)}
    assert then.values("trading", Path())["leverage"] == 10


def test_version_at__clock_set_back__higher_version_is_in_force_from_its_own_time_on() -> None:
    put_at(NOON, leverage=11)  # version 1 at 12:00
    put_at(NOON + 2 * HOUR, leverage=12)  # 2 at 14:00
    put_at(NOON + HOUR, leverage=13)  # 3 at 13:00, the clock was put right
    minute = timedelta(minutes=1)

    def at(instant: datetime) -> int:
        return selectors.version_at(instant)

    assert [at(NOON - minute), at(NOON), at(NOON + HOUR - minute)] == [0, 1, 1]
    assert [at(NOON + HOUR), at(NOON + 2 * HOUR), at(NOON + 9 * HOUR)] == [3, 3, 3]
    assert past.first_version_from(NOON + HOUR) == 2
    assert past.first_version_from(NOON + 3 * HOUR) is None


def test_version_at__clock_wrong_by_years__does_not_hide_what_came_before() -> None:
    put_at(NOON, leverage=11)
    put_at(datetime(1970, 1, 1, tzinfo=NOON.tzinfo), leverage=12)  # version 2
    put_at(NOON + HOUR, leverage=13)

    assert selectors.version_at(NOON) == 1
    assert selectors.version_at(NOON + HOUR) == 3


def test_past__no_such_version_or_both_or_no_zone__is_refused() -> None:
    put(GLOBAL, leverage=11)
    for version in (2, -1):
        with pytest.raises(NotFound, match=f"There is no version {version}; the newest is 1"):
            selectors.image_at(version=version)
    for moment in ({}, {"version": 1, "time": NOON}):
        with pytest.raises(InputError, match="Give either a version or a time"):
            selectors.image_at(**moment)
    with pytest.raises(InputError, match="names no time zone"):
        selectors.version_at(NOON.replace(tzinfo=None))
    with pytest.raises(NotFound, match="There is no namespace 'gone'"):
        selectors.resolve(GLOBAL, ("gone",), at_version=1)


def test_past__costs__as_many_queries_in_a_long_ledger_as_in_a_short_one(django_assert_num_queries: Any) -> None:
    for rounds in (1, 30):
        for number in range(rounds):
            put(BTC, leverage=11 + number % 2, stop_loss_pct=1.0 + number % 2)
        for version in (1, selectors.head().version):
            # head (this test's own transaction has written: everything), the change-set, the probe or the fold
            with django_assert_num_queries(3):
                selectors.resolve(side_scope("BTC", "LONG"), ("trading", "bot"), at_version=version)
            with django_assert_num_queries(3):
                selectors.image_at(version=version)
            with django_assert_num_queries(2):
                selectors.sparkline("trading", "leverage", BTC)
            with django_assert_num_queries(2):
                list(selectors.changes_since(version - 1, limit=5))


def test_changes_since__a_version__are_the_next_ones_oldest_first() -> None:
    for leverage in (11, 12, 13, 14):
        put(GLOBAL, leverage=leverage)
    assert [one.version for one in selectors.changes_since(1, limit=2)] == [2, 3]
    assert [change.new for one in selectors.changes_since(2) for change in one.changes.all()] == [13, 14]


# --- the catalogue and the environment of then


def older() -> Catalogue:
    """Of code whose default leverage was 5, and which had no max_retries."""
    trading = [
        one._replace(default=5) if one.name == "leverage" else one
        for one in CATALOGUE.parameters("trading")
        if one.name != "max_retries"
    ]
    return Catalogue({"trading": trading, "bot": CATALOGUE.parameters("bot")})


def test_past__decided_under_another_catalogue__has_the_defaults_of_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    # 001-50. Given: version 1 is of code whose default leverage was 5; today's is 10
    with monkeypatch.context() as then:
        then.setattr(changing, "CATALOGUE", older())
        put(GLOBAL, stop_loss_pct=1.5)
    put(GLOBAL, stop_loss_pct=1.0)

    image = selectors.image_at(version=1)

    assert image.is_edition_known
    assert image.resolve("trading", Path())["leverage"] == (5, DEFAULT_ORIGIN, ())
    assert image.resolve("trading", Path())["stop_loss_pct"].value == 1.5
    assert "max_retries" not in image.values("trading", Path())
    assert selectors.resolve(BTC, ("trading",), at_version=1)["trading.leverage"].value == 5
    assert selectors.resolve(BTC, ("trading",), at_version=2)["trading.leverage"].value == 10
    # before everything, the oldest catalogue held
    assert selectors.resolve(BTC, ("trading",), at_version=0)["trading.leverage"].value == 5
    differences = {one.parameter: one for one in selectors.difference(image, selectors.image_at(version=2))}
    before, after = differences["leverage"].before, differences["leverage"].after
    assert (before and before.value, after and after.value) == (5, 10)
    assert differences["max_retries"].before is None


def test_past__catalogue_was_never_kept__is_read_with_todays_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as then:
        then.setattr(changing, "CATALOGUE", older())
        then.setattr(changing, "keep_edition", lambda now: None)
        monkeypatch.setattr(past, "_editions", {})  # what this process has read before
        put(GLOBAL, stop_loss_pct=1.5)

    image = selectors.image_at(version=1)

    assert not image.is_edition_known
    assert image.values("trading", Path())["leverage"] == 10


def test_edition__text_does_not_hash_to_its_name__is_noticed() -> None:
    CatalogueEdition.objects.create(fingerprint="0" * 64, content=canonical.text(older().edition()))
    with pytest.raises(InvariantBroken, match="was altered"):
        past.edition("0" * 64)


def test_past__supplied_by_the_environment__is_todays_and_marked(monkeypatch: pytest.MonkeyPatch) -> None:
    put(GLOBAL, leverage=11)
    monkeypatch.setenv("EDGE_MIN", "0.3")
    store.forget()
    try:
        supplied = selectors.resolve(GLOBAL, ("weather",), at_version=1)["weather.edge_min"]
        decide(SetValue(GLOBAL, "weather", "edge_min", 0.2))
        beaten = selectors.image_at(version=2).resolve("weather", Path())["edge_min"]
        now = selectors.resolve(GLOBAL, ("weather",))["weather.edge_min"]
    finally:
        monkeypatch.undo()
        store.forget()

    assert (supplied.value, supplied.origin) == (0.3, Origin("environment", name="EDGE_MIN", is_todays=True))
    assert supplied.origin.as_json() == {"scope": "environment", "name": "EDGE_MIN", "is_todays": True}
    assert beaten.value == 0.2
    assert beaten.shadowed[0].origin.is_todays
    assert not now.shadowed[0].origin.is_todays


def test_sparkline__default_moved_by_new_code__has_a_point_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as then:
        then.setattr(changing, "CATALOGUE", older())
        put(GLOBAL, leverage=7)  # 1
        decide(ClearValue(GLOBAL, "trading", "leverage"))  # 2: 5 again
    changing.mark(actor=BEN, source="system", kind="migrate", reason_of=lambda head: "new code", now=NOON)  # 3: 10

    line = selectors.sparkline("trading", "leverage", BTC)

    assert [(point.version, point.value) for point in line] == [(1, 7), (2, 5), (3, 10)]
    assert selectors.lived("trading", "leverage", BTC) == line[-1]


def test_sparkline__longer_than_asked_for__is_its_newest_part() -> None:
    for leverage in range(11, 31):
        put(GLOBAL, leverage=leverage)
    assert [point.value for point in selectors.sparkline("trading", "leverage", BTC, limit=3)] == [28, 29, 30]


def test_lived__value_that_stands_since_long__is_found_behind_many_decisions() -> None:
    # Given: leverage of BTC is pinned at version 1; then the value below it moves 60 times, past the first look
    put(BTC, leverage=50)
    for number in range(60):
        put(GLOBAL, leverage=11 + number % 2)

    lived = selectors.lived("trading", "leverage", BTC)
    assert lived is not None
    assert (lived.version, lived.value) == (1, 50)


def test_scope_difference__two_scopes_of_one_image__is_what_differs_in_force() -> None:
    put(GLOBAL, leverage=11, max_retries=5)
    put(BTC, leverage=12)
    put(bot_scope("x"), max_retries=7)

    found = selectors.scope_difference(store.current(), before=BTC, after=Scope("bot", "x", "ETH"))

    assert [(one.parameter, one.before.value, one.after.value) for one in found if one.before and one.after] == [
        ("leverage", 12, 11),
        ("max_retries", 5, 7),
    ]


# --- pages


@pytest.mark.parametrize(
    "sought",
    [
        Sought(),
        Sought(namespace="trading", parameter="leverage"),
        Sought(scope="global"),
        Sought(symbol="BTC"),
        Sought(bot="x"),
        Sought(actor="ben"),
        Sought(reason="TWO"),
        Sought(actor="ben", parameter="leverage"),
        Sought(since=NOON + 3 * HOUR, until=NOON + 9 * HOUR),
        Sought(since=NOON + 3 * HOUR, symbol="BTC"),
        Sought(until=NOON + 4 * HOUR, actor="ben"),
        Sought(since=NOON + 99 * HOUR),
        Sought(source="nowhere"),
    ],
)
def test_page__one_after_another__are_the_whole_list_once(sought: Sought) -> None:
    scopes = (GLOBAL, BTC, bot_scope("x"), side_scope("BTC", "LONG"))
    for number in range(12):
        people = {"actor": BEN} if number % 3 == 0 else {}
        name = "leverage" if number % 2 else "max_retries"
        value = 1 + number % 5
        wishes = [SetValue(scopes[number % 4], "trading", name, value), SetValue(GLOBAL, "trading", "enabled", True)]
        now = NOON + number * HOUR - (90 * timedelta(minutes=1) if number == 5 else timedelta(0))
        decide(*wishes[: 1 + number % 2], now=now, reason="one or two" if number < 6 else "more", **people)
    ascending = [one.version for one in selectors.decisions(sought)]

    seen: list[int] = []
    before: int | None = None
    while True:
        shown = selectors.page(sought, before_version=before, limit=2)
        seen += [one.version for one in shown.rows]
        assert all(one.changes.all() for one in shown.rows)
        if shown.before_version is None:
            break
        before = shown.before_version

    assert seen == ascending
    assert len(seen) == len(set(seen))


def test_page__any__costs_as_many_queries(django_assert_num_queries: Any) -> None:
    for leverage in range(11, 41):
        put(GLOBAL, leverage=leverage)
    for before in (None, 25, 3):
        with django_assert_num_queries(3):  # versions, decisions, changes
            selectors.page(Sought(scope="global"), before_version=before, limit=10)


def put_at(now: datetime, **values: Any) -> None:
    decide(*(SetValue(GLOBAL, "trading", name, value) for name, value in values.items()), now=now)


def test_change_set__without_changes__is_readable_as_any_other() -> None:
    put(GLOBAL, leverage=11)
    changing.mark(actor=BEN, source="system", kind="migrate", reason_of=lambda head: f"after {head}", now=NOON)

    assert ChangeSet.objects.get(version=2).reason == "after 1"
    assert selectors.head().version == 2
    assert selectors.image_at(version=2).values("trading", Path())["leverage"] == 11
    assert selectors.difference(selectors.image_at(version=1), selectors.image_at(version=2)) == ()
