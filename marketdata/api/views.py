"""The API of market data: each view reads the request, makes one call, and answers."""

from typing import Any
from uuid import UUID

import numpy as np
from django.utils import timezone
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.generics import GenericAPIView
from rest_framework.parsers import MultiPartParser
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from engine.domain.errors import Fault, InputError
from engine.domain.values import Floats
from marketdata import selectors, services, tasks
from marketdata.api import parsing
from marketdata.api import serializers as shapes

IMPORT_FIELDS = ("file", "factors", "symbol", "timeframe", "source", "adjustment", "name", "timezone")
WINDOW = [
    OpenApiParameter("start", str, description="First bar open, ISO-8601 or epoch milliseconds."),
    OpenApiParameter("end", str, description="Bars open before this."),
    OpenApiParameter("max_points", int, description="Merge bars so that at most so many points come (1-5000)."),
]


class Instruments(GenericAPIView[Any]):
    """What can be traded."""

    serializer_class = shapes.InstrumentOutput
    queryset = selectors.instrument_rows()
    filter_backends = ()

    def get(self, request: Request) -> Response:
        page = self.paginate_queryset(selectors.instrument_rows())
        return self.get_paginated_response(shapes.InstrumentOutput(page, many=True).data)


class Datasets(GenericAPIView[Any]):
    """The stored series; importing a new one."""

    serializer_class = shapes.DatasetOutput
    queryset = selectors.dataset_rows()
    filter_backends = ()
    parser_classes = (MultiPartParser,)

    @extend_schema(
        parameters=[
            OpenApiParameter("symbol", str),
            OpenApiParameter("timeframe", str),
            OpenApiParameter("source", str),
            OpenApiParameter("all", bool, description="Superseded and retired ones too."),
        ]
    )
    def get(self, request: Request) -> Response:
        query = request.query_params
        rows = selectors.dataset_rows(
            symbol=query.get("symbol"),
            timeframe=parsing.timeframe(query),
            source=query.get("source"),
            current=query.get("all", "").lower() not in ("1", "true"),
        )
        infos = [selectors.info_of(row) for row in self.paginate_queryset(rows) or []]
        return self.get_paginated_response(shapes.DatasetOutput(infos, many=True).data)

    @extend_schema(request=shapes.ImportInput, responses={201: shapes.ImportedOutput(many=True)})
    def post(self, request: Request) -> Response:
        """Import a CSV file: 201 with new datasets, 200 when the same bars were there already."""
        file, wanted = _import_request(request)
        imported = services.import_csv(file, wanted, now=timezone.now())
        is_new = any(found.is_new for found in imported)
        return Response(shapes.ImportedOutput(imported, many=True).data, status=201 if is_new else 200)


class Dataset(APIView):
    """One dataset with its quality report."""

    @extend_schema(responses=shapes.DatasetDetailOutput)
    def get(self, request: Request, dataset_id: UUID) -> Response:
        return Response(
            {
                **shapes.DatasetOutput(selectors.dataset(dataset_id)).data,
                "quality": selectors.quality_report(dataset_id),
            }
        )


class DatasetBars(APIView):
    """Bars of a window, merged to what a chart can show."""

    @extend_schema(parameters=WINDOW, responses=shapes.BarsOutput)
    def get(self, request: Request, dataset_id: UUID) -> Response:
        asked = parsing.window(request.query_params)
        page = selectors.bars_page(
            dataset_id, start_ms=asked.start_ms, end_ms=asked.end_ms, max_points=asked.max_points
        )
        columns = {name: column.tolist() for name, column in page.series._asdict().items()}
        facts = {"dataset_id": str(dataset_id), "bars_per_point": page.bars_per_point, "bar_count": page.bar_count}
        return Response({**facts, **columns})


class DatasetStudies(APIView):
    """Studies over one dataset."""

    @extend_schema(request=shapes.StudyInput, responses={202: shapes.StudyOutput, 200: shapes.StudyOutput})
    def post(self, request: Request, dataset_id: UUID) -> Response:
        """Ask for a study: 202 while it is to be computed, 200 when its values are there."""
        name, parameters = parsing.study_request(request.data)
        found = services.request_study(dataset_id, name, parameters, now=timezone.now())
        if found.must_compute:
            tasks.compute_study.delay_on_commit(study_id=str(found.study_id))
        return Response(shapes.StudyOutput(selectors.study(found.study_id)).data, status=200 if found.is_done else 202)


class Studies(APIView):
    """The catalogue: every study with its parameters."""

    @extend_schema(responses=shapes.StudyDeclarationOutput(many=True))
    def get(self, request: Request) -> Response:
        return Response(shapes.StudyDeclarationOutput(selectors.study_catalogue(), many=True).data)


class Study(APIView):
    """One study; its values over a window once it is completed."""

    @extend_schema(parameters=WINDOW, responses=shapes.StudyOutput)
    def get(self, request: Request, study_id: UUID) -> Response:
        asked = parsing.window(request.query_params)
        info = selectors.study(study_id)
        answer = dict(shapes.StudyOutput(info).data)
        if info.columns:
            page = selectors.bars_page(
                info.dataset_id, start_ms=asked.start_ms, end_ms=asked.end_ms, max_points=asked.max_points
            )
            values = selectors.study_values(study_id, page)
            answer |= {
                "bars_per_point": page.bars_per_point,
                "open_ms": page.series.open_ms.tolist(),
                "values": {name: _nullable(column) for name, column in values.items()},
            }
        return Response(answer)


def _nullable(column: Floats) -> list[float | None]:
    """JSON knows neither NaN nor infinity."""
    return [value if finite else None for value, finite in zip(column.tolist(), np.isfinite(column), strict=True)]


def _import_request(request: Request) -> tuple[Any, services.ImportRequest]:
    body: Any = request.data  # multipart: a QueryDict
    faults = parsing.unknown_fields(body, IMPORT_FIELDS)
    file, factors = (request.FILES.get(name) for name in ("file", "factors"))
    if file is None:
        faults.append(Fault("required", "/file", "file is missing; send the CSV as multipart/form-data."))
    fields = {name: str(body[name]) for name in IMPORT_FIELDS[2:] if body.get(name)}
    missing = [name for name in ("symbol", "timeframe", "source") if name not in fields]
    faults += [Fault("required", f"/{name}", f"{name} is missing.") for name in missing]
    if faults:
        raise InputError("The file cannot be imported.", faults=faults)
    return file, services.ImportRequest(
        symbol=fields["symbol"].upper(),
        timeframe=fields["timeframe"],
        source=fields["source"],
        adjustment=fields.get("adjustment", "raw"),
        name=fields.get("name", ""),
        timezone=fields.get("timezone"),
        factors=factors,
    )
