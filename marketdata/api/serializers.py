"""How market data looks in JSON. Input is read in ``parsing``; these only show."""

from typing import Any

from rest_framework import serializers

from marketdata.models import Instrument


class InstrumentOutput(serializers.ModelSerializer[Instrument]):
    class Meta:
        model = Instrument
        fields = (
            "symbol", "name", "asset_class", "calendar", "currency", "price_tick", "qty_step", "min_qty",
            "min_notional", "max_leverage", "is_tradable", "filters_known",
        )  # fmt: skip


class DatasetOutput(serializers.Serializer[Any]):
    """A DatasetInfo."""

    id = serializers.UUIDField()
    symbol = serializers.CharField()
    timeframe = serializers.CharField()
    source = serializers.CharField()  # type: ignore[assignment]  # a field of that name; the metaclass takes it
    adjustment = serializers.CharField()
    name = serializers.CharField()
    revision = serializers.IntegerField()
    calendar = serializers.CharField()
    first_open_ms = serializers.IntegerField(allow_null=True)
    last_open_ms = serializers.IntegerField(allow_null=True)
    bar_count = serializers.IntegerField()
    fingerprint = serializers.CharField()
    marks = serializers.ListField(child=serializers.CharField())
    is_current = serializers.BooleanField()
    created_at = serializers.DateTimeField()


class DatasetDetailOutput(DatasetOutput):
    """With ``quality``: the report made when the bars were imported."""

    quality = serializers.JSONField()


class ImportedOutput(serializers.Serializer[Any]):
    dataset_id = serializers.UUIDField()
    adjustment = serializers.CharField()
    revision = serializers.IntegerField()
    is_new = serializers.BooleanField()


class ImportInput(serializers.Serializer[Any]):
    """The fields of a CSV import; for the schema, the service judges them."""

    file = serializers.FileField()
    factors = serializers.FileField(required=False)
    symbol = serializers.CharField()
    timeframe = serializers.CharField()
    source = serializers.CharField()  # type: ignore[assignment]  # a field of that name; the metaclass takes it
    adjustment = serializers.CharField(required=False)
    name = serializers.CharField(required=False)
    timezone = serializers.CharField(required=False)


class BarsOutput(serializers.Serializer[Any]):
    """Columns of equal length; each point stands for ``bars_per_point`` bars of the ``bar_count`` in the window."""

    dataset_id = serializers.UUIDField()
    bars_per_point = serializers.IntegerField()
    bar_count = serializers.IntegerField()
    open_ms = serializers.ListField(child=serializers.IntegerField())
    open = serializers.ListField(child=serializers.FloatField())
    high = serializers.ListField(child=serializers.FloatField())
    low = serializers.ListField(child=serializers.FloatField())
    close = serializers.ListField(child=serializers.FloatField())
    volume = serializers.ListField(child=serializers.FloatField())


class StudyParameterOutput(serializers.Serializer[Any]):
    name = serializers.CharField()
    kind = serializers.CharField()
    default = serializers.JSONField()
    minimum = serializers.FloatField(allow_null=True)
    maximum = serializers.FloatField(allow_null=True)
    choices = serializers.ListField(child=serializers.CharField())


class StudyDeclarationOutput(serializers.Serializer[Any]):
    name = serializers.CharField()
    category = serializers.CharField()
    title = serializers.CharField()
    inputs = serializers.ListField(child=serializers.CharField())
    sees_ahead = serializers.BooleanField()
    parameters = StudyParameterOutput(many=True)


class StudyInput(serializers.Serializer[Any]):
    name = serializers.CharField()
    parameters = serializers.DictField(required=False)


class StudyOutput(serializers.Serializer[Any]):
    """A StudyInfo; while completed, ``open_ms`` and ``values`` (a list per column, null where there is none) follow."""

    id = serializers.UUIDField()
    dataset_id = serializers.UUIDField()
    symbol = serializers.CharField()
    timeframe = serializers.CharField()
    name = serializers.CharField()
    parameters = serializers.JSONField()
    status = serializers.CharField()
    error_code = serializers.CharField()
    error_message = serializers.CharField()
    bar_count = serializers.IntegerField()
    columns = serializers.ListField(child=serializers.CharField())
    created_at = serializers.DateTimeField()
    started_at = serializers.DateTimeField(allow_null=True)
    finished_at = serializers.DateTimeField(allow_null=True)
