"""Any pandas-ta indicator over a dataset: which there are, what they accept, and their values.

The web process must not import pandas-ta (pandas and numba, 100 MB), so names and parameters are read from the
library's source files with ``ast``. Only ``compute`` imports it, in a worker.
"""

import ast
import hashlib
import json
import math
import warnings
from collections.abc import Iterator, Mapping
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from engine.domain.errors import DataError, Fault
from engine.domain.values import Floats, Series

LONGEST = 5_000
LARGEST_NUMBER = 1e9
INPUTS: dict[str, str] = {
    "open": "open",
    "open_": "open",
    "high": "high",
    "low": "low",
    "close": "close",
    "volume": "volume",
}
# vp answers a histogram, not a value per bar; cdl_pattern's need TA-Lib, which results must not depend on.
EXCLUDED = frozenset({"vp", "cdl_pattern"})
# Their value at a bar depends on later bars: fine to look at, never to trade on. A test finds them by cutting a series.
SEES_AHEAD = frozenset({"dpo", "ichimoku", "tos_stdevall", "vhm", "zigzag"})
_CATEGORIES = (
    "candle", "cycle", "momentum", "overlap", "performance", "statistics", "trend", "volatility", "volume",
)  # fmt: skip
_KINDS = {"Int": "int", "int": "int", "IntFloat": "float", "float": "float", "bool": "bool", "str": "str"}
_KIND_OF_VALUE: dict[type, str] = {bool: "bool", int: "int", float: "float", str: "str"}
# Read through **kwargs by some, and either of no use here or able to break the columns.
_NOT_OFFERED = frozenset(
    {"talib", "fillna", "signal_indicators", "length", "xa", "xb", "xseries", "xseries_a", "xseries_b"}
    | {"cross_values", "cross_series", "umin_periods", "lmin_periods", "append"}
)
_DEFAULTS_OF_VALIDATORS: dict[str, Any] = {"v_offset": 0, "v_drift": 1, "v_ascending": True, "v_tradingview": True}
_NO_DEFAULT = object()


class StudyFailed(DataError):
    """A study could not be computed; the specific code says why (too_few_bars, not_per_bar, study_failed)."""

    code = "STUDY_FAILED"


class StudyParameter(NamedTuple):
    """One thing an indicator can be told. ``default`` None: the library decides. Bounds are inclusive."""

    name: str
    kind: str
    default: Any
    minimum: float | None = None
    maximum: float | None = None
    choices: tuple[str, ...] = ()


class StudyDeclaration(NamedTuple):
    """An indicator of pandas-ta. ``sees_ahead``: its value at a bar depends on later bars."""

    name: str
    category: str
    title: str
    inputs: tuple[str, ...]
    parameters: tuple[StudyParameter, ...]
    sees_ahead: bool


@lru_cache(maxsize=1)
def catalogue() -> Mapping[str, StudyDeclaration]:
    """Every indicator that can be computed over bars, by name, sorted."""
    found = {}
    for category in _CATEGORIES:
        for path in sorted((_library() / category).glob("[a-z]*.py")):
            if path.stem not in EXCLUDED and (declared := _declaration(path, category)):
                found[path.stem] = declared
    return dict(sorted(found.items()))


def faults(name: str, parameters: Mapping[str, Any]) -> list[Fault]:
    """What is wrong with a study asked for; all of it."""
    declared = catalogue().get(name)
    if declared is None:
        message = f'There is no study "{name}"; GET /api/v1/studies lists them.'
        return [Fault("unknown_study", "/name", message, got=name)]
    known = {parameter.name: parameter for parameter in declared.parameters}
    found = []
    for key, value in parameters.items():
        if key in known:
            found += _value_faults(known[key], value)
        else:
            message = f'{name} has no parameter "{key}"; it has {", ".join(known) or "none"}.'
            found.append(Fault("unknown_parameter", f"/parameters/{key}", message, allowed=list(known), got=key))
    return found


def canonical(name: str, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters with every known default filled in and numbers in one spelling, so that equal asks are equal."""
    found = {}
    for parameter in catalogue()[name].parameters:
        value = parameters.get(parameter.name)
        value = parameter.default if value is None else value
        if value is not None:
            found[parameter.name] = _spelled(parameter, value)
    return found


def key_of(parameters: Mapping[str, Any]) -> str:
    """sha256 of canonical parameters."""
    return hashlib.sha256(json.dumps(parameters, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def compute(name: str, parameters: Mapping[str, Any], series: Series) -> dict[str, Floats]:
    """The indicator's columns, each as long as the bars, NaN where it has no value. Imports pandas-ta: workers only.

    Raises: STUDY_FAILED, with too_few_bars, not_per_bar or study_failed as its specific code.
    """
    import pandas as pd  # type: ignore[import-untyped]  # noqa: PLC0415 (see above; it ships no types)
    import pandas_ta  # noqa: PLC0415

    index = pd.DatetimeIndex(series.open_ms.astype("datetime64[ms]"))
    bars = {column: pd.Series(np.array(getattr(series, column)), index=index, name=column) for column in _BAR_COLUMNS}
    inputs = {spelling: bars[column] for spelling, column in _inputs_of(name).items()}
    answer = _call(getattr(pandas_ta, name), pandas_ta.maps.Imports, name, {**inputs, **parameters, "talib": False})
    table = answer[0] if isinstance(answer, tuple) else answer  # ichimoku adds a second table: the days to come
    if table is None:
        message = f"{name} needs more than {series.open_ms.size} bars with these parameters."
        raise StudyFailed(message, code="too_few_bars")
    frame = table.to_frame() if isinstance(table, pd.Series) else table
    if len(frame) != series.open_ms.size:
        raise StudyFailed(f"{name} answers {len(frame)} values for {series.open_ms.size} bars.", code="not_per_bar")
    return {str(column): frame[column].to_numpy(dtype="<f8", na_value=np.nan) for column in frame.columns}


_BAR_COLUMNS = ("open", "high", "low", "close", "volume")


def _call(function: Any, imports: dict[str, bool], name: str, arguments: dict[str, Any]) -> Any:
    # Some indicators do not hand talib=False on to those they are made of: hidden, TA-Lib cannot change a result.
    had_talib = imports["talib"]
    imports["talib"] = False
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the library's own deprecations are none of our reader's business
            return function(**arguments)
    except Exception as error:  # somebody else's code with parameters of a stranger: any class can come out
        raise StudyFailed(f"{name} failed: {type(error).__name__}: {error}", code="study_failed") from error
    finally:
        imports["talib"] = had_talib


def _library() -> Path:
    spec = find_spec("pandas_ta")
    if spec is None or spec.origin is None:
        raise StudyFailed("pandas-ta is not installed.", code="study_failed")
    return Path(spec.origin).parent


def _function(path: Path) -> ast.FunctionDef | None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    found = (node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == path.stem)
    return next(found, None)


def _declaration(path: Path, category: str) -> StudyDeclaration | None:
    function = _function(path)
    if function is None:
        return None
    arguments = function.args.args
    required = arguments[: len(arguments) - len(function.args.defaults)]
    if any(argument.arg not in INPUTS for argument in required):
        return None  # wants series that a dataset does not have
    inputs = tuple(INPUTS[argument.arg] for argument in arguments if argument.arg in INPUTS)
    title = (ast.get_docstring(function) or path.stem).splitlines()[0].strip()
    return StudyDeclaration(path.stem, category, title, inputs, tuple(_parameters(function)), path.stem in SEES_AHEAD)


@lru_cache(maxsize=256)
def _inputs_of(name: str) -> dict[str, str]:
    """How the indicator spells each series it takes, and which column that is."""
    function = _function(_library() / catalogue()[name].category / f"{name}.py")
    names = [argument.arg for argument in function.args.args] if function else []
    return {spelling: INPUTS[spelling] for spelling in names if spelling in INPUTS}


def _parameters(function: ast.FunctionDef) -> Iterator[StudyParameter]:
    validators = _validators(function)
    arguments = [argument for argument in function.args.args if argument.arg not in INPUTS]
    for argument in arguments:
        kind = _KINDS.get(argument.annotation.id if isinstance(argument.annotation, ast.Name) else "")
        if kind and argument.arg not in _NOT_OFFERED - {"length"}:
            validator, default = validators.get(argument.arg, ("", None))
            yield _parameter(argument.arg, kind, default, validator)
    named = {argument.arg for argument in arguments} | _NOT_OFFERED
    for name, default in _keywords(function):
        if name not in named:
            yield _parameter(name, _KIND_OF_VALUE[type(default)], default, "")


def _parameter(name: str, kind: str, default: Any, validator: str) -> StudyParameter:
    if kind == "int":
        least = {"v_pos_default": 1, "v_drift": 1, "v_offset": 0}.get(validator, 0 if name == "ddof" else -LONGEST)
        whole = int(default) if isinstance(default, float) and default.is_integer() else default
        return StudyParameter(name, kind, whole, least, LONGEST)
    if kind == "float":
        most = LONGEST if name.endswith("length") else LARGEST_NUMBER
        return StudyParameter(name, kind, default, 0.0 if validator == "v_pos_default" else -most, most)
    return StudyParameter(name, kind, default, choices=_averages() if validator == "v_mamode" else ())


def _validators(function: ast.FunctionDef) -> dict[str, tuple[str, Any]]:
    """How the library completes each parameter: the validator's name and the default it falls back to."""
    found: dict[str, tuple[str, Any]] = {}
    for node in function.body:
        if isinstance(node, ast.Assign) and len(node.targets) == 1 and isinstance(node.targets[0], ast.Name):
            name, value = node.targets[0].id, node.value
            if name in found:
                continue
            if isinstance(value, ast.Call) and isinstance(value.func, ast.Name) and value.func.id.startswith("v_"):
                fallback = _literal(value.args[1]) if len(value.args) > 1 else _NO_DEFAULT
                default = _DEFAULTS_OF_VALIDATORS.get(value.func.id) if fallback is _NO_DEFAULT else fallback
                found[name] = (value.func.id, default)
            elif isinstance(value, ast.IfExp) and (fallback := _literal(value.orelse)) is not _NO_DEFAULT:
                found[name] = ("", fallback)
    return found


def _keywords(function: ast.FunctionDef) -> Iterator[tuple[str, Any]]:
    """Names and defaults of what is read by ``kwargs.pop("detailed", False)`` and the like."""
    seen = set()
    for node in ast.walk(function):
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute) or len(node.args) != 2:
            continue
        owner = node.func.value
        if isinstance(owner, ast.Name) and owner.id == "kwargs" and node.func.attr in ("pop", "get", "setdefault"):
            name, default = _literal(node.args[0]), _literal(node.args[1])
            if type(default) in _KIND_OF_VALUE and name not in seen:
                seen.add(name)
                yield str(name), default


def _literal(node: ast.expr) -> Any:
    try:
        return ast.literal_eval(node)
    except ValueError:
        return _NO_DEFAULT


@lru_cache(maxsize=1)
def _averages() -> tuple[str, ...]:
    """The moving averages ``mamode`` may name; the library would silently take another for an unknown one."""
    for node in ast.walk(ast.parse((_library() / "ma.py").read_text(encoding="utf-8"))):
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and node.targets[0].id == "_mas":
            return tuple(ast.literal_eval(node.value))
    return ()


def _value_faults(parameter: StudyParameter, value: Any) -> list[Fault]:
    pointer = f"/parameters/{parameter.name}"
    if value is None:
        return []
    if not _is_of_kind(parameter.kind, value):
        message = f"{parameter.name} is {value!r}, a {parameter.kind} is expected."
        return [Fault("wrong_type", pointer, message, allowed=parameter.kind, got=repr(value))]
    if parameter.choices and value not in parameter.choices:
        message = f'{parameter.name} is "{value}", allowed {", ".join(parameter.choices)}.'
        return [Fault("unknown_choice", pointer, message, allowed=parameter.choices, got=value)]
    if parameter.kind == "str" and len(value) > 40:
        return [Fault("too_long", pointer, f"{parameter.name} has {len(value)} characters, allowed 40.", allowed=40)]
    low, high = parameter.minimum, parameter.maximum
    if low is not None and high is not None and not low <= value <= high:
        message = f"{parameter.name} is {value}, allowed {low:g}-{high:g}."
        return [Fault("out_of_range", pointer, message, allowed=[low, high], got=value)]
    return []


def _is_of_kind(kind: str, value: Any) -> bool:
    if kind in ("bool", "str"):
        return isinstance(value, bool if kind == "bool" else str)
    if isinstance(value, bool):
        return False
    return isinstance(value, int) or (
        isinstance(value, float) and math.isfinite(value) and (kind == "float" or value.is_integer())
    )


def _spelled(parameter: StudyParameter, value: Any) -> Any:
    if parameter.kind == "int":
        return int(value)
    if parameter.kind != "float":
        return value
    # Column names carry the number as given: 2 and 2.0 must not make two studies.
    return int(value) if isinstance(parameter.default, int) and float(value).is_integer() else float(value)
