"""The only place that knows the compiler.

Rooms mark their hot functions with ``@kernel``: a registration, nothing more, so that importing a
room never imports numba. The first Python door that needs speed calls ``ready()``, which swaps each
registered function, in its own module, for its compiled twin. ``@entry`` marks the few that Python
calls: only they are cached on disk, the others are compiled into them.

numba's own cache looks at one file at a time and misses a change in a room that was compiled into
another. The cache directory is therefore named after a hash of every source file of the engine.

With ENGINE_INTERPRETED=1 nothing is compiled: the same functions run as plain Python over record
arrays, slowly, for a debugger or a coverage report. A test holds both ways against each other.
"""

import hashlib
import os
import sys
import tempfile
import threading
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

_ROOM = Path(__file__).resolve().parent
_kernels: list[Callable[..., Any]] = []
_entries: list[Callable[..., Any]] = []
_lock = threading.Lock()


def kernel[Function: Callable[..., Any]](function: Function) -> Function:
    """Register a function that is compiled into its callers."""
    _kernels.append(function)
    return function


def entry[Function: Callable[..., Any]](function: Function) -> Function:
    """Register a function that Python calls; its machine code is kept on disk."""
    _entries.append(function)
    return function


@cache
def fingerprint() -> str:
    """SHA-256 over every source file of the engine: which engine made a result."""
    digest = hashlib.sha256()
    for path in sorted(_ROOM.rglob("*.py")):
        if "tests" not in path.parts:
            digest.update(str(path.relative_to(_ROOM)).encode())
            digest.update(path.read_bytes())
    return digest.hexdigest()


def cache_directory() -> Path:
    """Where compiled code of exactly these sources is kept.

    Under ENGINE_CACHE_DIR where it is set, else in the project's ``var/engine-cache``; in the
    temporary directory where neither can be written (a read-only image without a warmed cache).
    """
    chosen = os.environ.get("ENGINE_CACHE_DIR")
    root = Path(chosen) if chosen else _ROOM.parent / "var" / "engine-cache"
    folder = root / fingerprint()[:16]
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        folder = Path(tempfile.gettempdir()) / "engine-cache" / fingerprint()[:16]
        folder.mkdir(parents=True, exist_ok=True)
    return folder


def is_interpreted() -> bool:
    """True where kernels run as plain Python."""
    return os.environ.get("ENGINE_INTERPRETED") == "1"


def records(shape: int | tuple[int, ...], dtype: np.dtype[np.void]) -> NDArray[np.void]:
    """A zeroed record array that kernels can write, compiled or not."""
    fresh: NDArray[np.void] = np.zeros(shape, dtype)
    return readable(fresh)


def readable(array: NDArray[np.void]) -> NDArray[np.void]:
    """The same memory, its fields readable as attributes where kernels are not compiled."""
    return array.view(np.recarray) if is_interpreted() else array


def read_only(array: NDArray[Any]) -> NDArray[Any]:
    """A contiguous view that cannot be written: the one kind of input that kernels are compiled for."""
    view = np.ascontiguousarray(array).view()
    view.flags.writeable = False
    return view


def ready() -> None:
    """Compile what has been registered since the last call, else do nothing. Safe to call from threads.

    A room may be imported after the first call: a worker that steps live bots meets its first backtest.
    """
    if not _kernels and not _entries:
        return
    with _lock:
        if not is_interpreted():
            _swap()
        _kernels.clear()
        _entries.clear()


def _swap() -> None:
    import numba  # noqa: PLC0415  late on purpose: web processes never come here

    numba.config.CACHE_DIR = str(cache_directory())
    # numpy's error model: a division by zero gives inf, which risk refuses; no exceptions inside.
    # fastmath stays off: reordering sums would break parity between a bar and a million bars.
    # _nrt off: kernels allocate nothing, and counting references to arrays they only borrow took
    # six sevenths of the time. forceinline: passing eighty words of arrays took most of the rest.
    for function in _kernels:
        _replace(function, numba.njit(error_model="numpy", nogil=True, _nrt=False, forceinline=True)(function))
    for function in _entries:
        _replace(function, numba.njit(error_model="numpy", nogil=True, cache=True, _nrt=False)(function))


def _replace(function: Callable[..., Any], compiled: Callable[..., Any]) -> None:
    setattr(sys.modules[function.__module__], function.__name__, compiled)
