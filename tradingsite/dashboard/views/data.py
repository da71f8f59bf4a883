"""Datasets: the list, one with its candles and report, and the import of a file."""

from datetime import UTC, datetime
from typing import Any, BinaryIO, cast
from uuid import UUID

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render

from engine.domain.errors import Fault, InputError, PlatformError
from marketdata import selectors, services
from marketdata.timeframes import DURATION_MS, TIMEFRAMES, is_session_based
from tradingsite.dashboard.access import page
from tradingsite.dashboard.forms import Field, bound, values_of

PER_PAGE = 50
SHOWN_EXAMPLES = 5


@page
def index(request: HttpRequest) -> HttpResponse:
    """Every current dataset."""
    pages = Paginator(selectors.datasets(), PER_PAGE).get_page(request.GET.get("page"))
    return render(
        request, "marketdata/list.html", {"section": "data", "datasets": pages.object_list, "page_obj": pages}
    )


@page
def detail(request: HttpRequest, dataset_id: UUID) -> HttpResponse:
    """One dataset: its bars are drawn by the page's script, from the API."""
    dataset = selectors.dataset(dataset_id)
    context = {
        "section": "data",
        "dataset": dataset,
        "is_daily": is_session_based(dataset.timeframe),
        "quality": _readable(selectors.quality_report(dataset_id)),
        "coverage": selectors.coverage(dataset_id),
        "page_data": {"dataset": str(dataset.id), "interval_ms": DURATION_MS[dataset.timeframe]},
    }
    return render(request, "marketdata/dataset.html", context)


@page
def upload(request: HttpRequest) -> HttpResponse:
    """The form for a CSV file; every fault of the file is listed, and nothing stored, unless all is sound."""
    fields = _fields()
    if request.method != "POST":
        return render(request, "marketdata/import.html", {"section": "data", "form": bound(fields)})
    try:
        imported = _import(request, values_of(fields, request.POST))
    except PlatformError as refused:
        faults = refused.faults or (Fault(refused.specific_code, "", refused.message),)
        # The list above the form names every line; beside the fields stand the faults of the fields.
        form = bound(fields, posted=request.POST, faults=[one for one in faults if "/rows/" not in one.pointer])
        context = {"section": "data", "form": form, "faults": faults}
        return render(request, "marketdata/import.html", context, status=refused.status)
    messages.success(request, _said(imported[-1]), extra_tags="good")
    return redirect("pages:dataset", imported[-1].dataset_id)


def _import(request: HttpRequest, values: dict[str, Any]) -> Any:
    file, factors = request.FILES.get("file"), request.FILES.get("factors")
    if file is None:
        missing = Fault("required", "/file", "No file was chosen.")
        raise InputError("The file cannot be imported.", faults=[missing])
    wanted = services.ImportRequest(
        symbol=values.get("symbol", "").upper(),
        timeframe=values.get("timeframe", ""),
        source=values.get("source", ""),
        adjustment=values.get("adjustment", ""),
        name=values.get("name", ""),
        timezone=values.get("timezone"),
        factors=cast(BinaryIO, factors.file) if factors else None,
    )
    return services.import_csv(cast(BinaryIO, file.file), wanted, now=datetime.now(UTC))


def _fields() -> tuple[Field, ...]:
    symbols = tuple((symbol, symbol) for symbol in selectors.known_symbols())
    lengths = tuple((name, name) for name in TIMEFRAMES)
    return (
        Field("file", "CSV file", "file", step=".csv,.gz,.txt", help="Plain or gzipped."),
        Field("symbol", "Symbol", "choice", choices=symbols, help="Its instrument says calendar and tick."),
        Field("timeframe", "Length of a bar", "choice", initial="1d", choices=lengths),
        Field("source", "Source", initial="csv", help="A short name for where the bars come from."),
        Field(
            "adjustment",
            "Prices in the file",
            "choice",
            initial="adjusted",
            choices=(("adjusted", "adjusted"), ("raw", "raw, as traded")),
        ),
        Field("timezone", "Time zone", help="Only for times without one, such as America/New_York."),
        Field(
            "factors",
            "Factor file (optional)",
            "file",
            step=".csv,.txt",
            help="For raw prices: the adjusted series is stored too.",
        ),
        Field("name", "Name (optional)"),
    )


def _readable(report: dict[str, Any]) -> dict[str, Any]:
    """The stored report, each warning with a few examples in words."""
    warnings = [
        {**warning, "shown": [_example(one) for one in warning.get("examples", [])[:SHOWN_EXAMPLES]]}
        for warning in report.get("warnings", [])
    ]
    return {**report, "warnings": warnings}


def _example(example: dict[str, Any]) -> str:
    return str(example.get("at", "")).removesuffix("T00:00Z").removesuffix("T00:00:00Z").replace("T", " ")


def _said(imported: Any) -> str:
    if imported.is_new:
        return f"Imported as revision {imported.revision}, {imported.adjustment} prices."
    return "These very bars were here already; nothing was stored again."
