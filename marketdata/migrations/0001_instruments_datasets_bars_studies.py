import django.core.validators
import django.db.models.deletion
import django.db.models.functions.math
import django.db.models.functions.text
import django.db.models.lookups
import uuid
from decimal import Decimal
from django.db import migrations, models

EXTERNAL_STORAGE = "".join(
    f'ALTER TABLE marketdata_barchunk ALTER COLUMN "{column}" SET STORAGE EXTERNAL;'
    for column in ("open_ms", "open", "high", "low", "close", "volume")
) + "ALTER TABLE marketdata_studycolumn ALTER COLUMN data SET STORAGE EXTERNAL;"

# Results point at bars by their hash: a chunk that could change would make every one of them unrepeatable.
# Databases named test_ may be emptied by TRUNCATE, which is how Django's test runner cleans up.
SEAL_CHUNKS = """
CREATE FUNCTION marketdata_chunk_is_sealed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'TRUNCATE' AND current_database() LIKE 'test\\_%' THEN
        RETURN NULL;
    END IF;
    RAISE EXCEPTION 'bar chunks are sealed: % refused; import a new revision instead', TG_OP
        USING ERRCODE = 'restrict_violation';
END $$;
CREATE TRIGGER chunk_is_sealed BEFORE UPDATE OR DELETE ON marketdata_barchunk
    FOR EACH ROW EXECUTE FUNCTION marketdata_chunk_is_sealed();
CREATE TRIGGER chunks_are_sealed BEFORE TRUNCATE ON marketdata_barchunk
    FOR EACH STATEMENT EXECUTE FUNCTION marketdata_chunk_is_sealed();
"""
UNSEAL_CHUNKS = """
DROP TRIGGER chunk_is_sealed ON marketdata_barchunk;
DROP TRIGGER chunks_are_sealed ON marketdata_barchunk;
DROP FUNCTION marketdata_chunk_is_sealed();
"""


class Migration(migrations.Migration):

    initial = True

    dependencies = [
    ]

    operations = [
        migrations.CreateModel(
            name='Instrument',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('symbol', models.CharField(max_length=32, unique=True, validators=[django.core.validators.RegexValidator('^[A-Z0-9][A-Z0-9./_-]{0,31}$')])),
                ('name', models.CharField(blank=True, default='', max_length=120)),
                ('asset_class', models.CharField(choices=[('equity', 'Equity'), ('crypto', 'Crypto'), ('perpetual', 'Perpetual'), ('forex', 'Forex'), ('index', 'Index')], max_length=12)),
                ('calendar', models.CharField(help_text='An exchange\'s ISO code such as "XNYS", or "24/7", or "24/5".', max_length=12)),
                ('currency', models.CharField(default='USD', max_length=8)),
                ('price_tick', models.DecimalField(decimal_places=9, max_digits=24)),
                ('qty_step', models.DecimalField(decimal_places=9, max_digits=24)),
                ('min_qty', models.DecimalField(decimal_places=9, default=Decimal('0'), max_digits=24)),
                ('min_notional', models.DecimalField(decimal_places=9, default=Decimal('0'), max_digits=24)),
                ('max_leverage', models.DecimalField(decimal_places=9, default=Decimal('1'), max_digits=24)),
                ('is_tradable', models.BooleanField(default=True)),
                ('filters_known', models.BooleanField(default=True, help_text="False while the venue's minimums could not be read.")),
                ('created_at', models.DateTimeField()),
                ('updated_at', models.DateTimeField()),
            ],
            options={
                'constraints': [models.CheckConstraint(condition=models.Q(('symbol', django.db.models.functions.text.Upper('symbol'))), name='instrument_symbol_upper_case'), models.CheckConstraint(condition=models.Q(('price_tick__gt', 0), ('qty_step__gt', 0)), name='instrument_steps_positive'), models.CheckConstraint(condition=models.Q(django.db.models.lookups.Exact(django.db.models.functions.math.Mod(models.F('price_tick'), models.Value(Decimal('1'), output_field=models.DecimalField(decimal_places=9, max_digits=24))), Decimal('0')), django.db.models.lookups.Exact(django.db.models.functions.math.Mod(models.Value(Decimal('1'), output_field=models.DecimalField(decimal_places=9, max_digits=24)), models.F('price_tick')), Decimal('0')), _connector='OR'), name='instrument_tick_divides'), models.CheckConstraint(condition=models.Q(django.db.models.lookups.Exact(django.db.models.functions.math.Mod(models.F('qty_step'), models.Value(Decimal('1'), output_field=models.DecimalField(decimal_places=9, max_digits=24))), Decimal('0')), django.db.models.lookups.Exact(django.db.models.functions.math.Mod(models.Value(Decimal('1'), output_field=models.DecimalField(decimal_places=9, max_digits=24)), models.F('qty_step')), Decimal('0')), _connector='OR'), name='instrument_step_divides'), models.CheckConstraint(condition=models.Q(('max_leverage__gte', 1), ('min_notional__gte', 0), ('min_qty__gte', 0)), name='instrument_limits_sane'), models.CheckConstraint(condition=models.Q(('asset_class__in', ['equity', 'crypto', 'perpetual', 'forex', 'index'])), name='instrument_asset_class')],
            },
        ),
        migrations.CreateModel(
            name='Dataset',
            fields=[
                ('id', models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ('timeframe', models.CharField(choices=[('1m', '1m'), ('3m', '3m'), ('5m', '5m'), ('15m', '15m'), ('30m', '30m'), ('1h', '1h'), ('2h', '2h'), ('4h', '4h'), ('6h', '6h'), ('8h', '8h'), ('12h', '12h'), ('1d', '1d'), ('3d', '3d'), ('1w', '1w'), ('1M', '1M')], max_length=4)),
                ('source', models.CharField(max_length=32)),
                ('adjustment', models.CharField(choices=[('raw', 'Raw'), ('adjusted', 'Adjusted')], max_length=8)),
                ('name', models.CharField(blank=True, default='', max_length=120)),
                ('revision', models.PositiveIntegerField()),
                ('first_open_ms', models.BigIntegerField(null=True)),
                ('last_open_ms', models.BigIntegerField(null=True)),
                ('bar_count', models.BigIntegerField(default=0)),
                ('sealed_count', models.BigIntegerField(default=0)),
                ('sealed_key', models.CharField(max_length=64)),
                ('tail_digest', models.CharField(blank=True, default='', max_length=64)),
                ('fingerprint', models.CharField(max_length=64)),
                ('quality', models.JSONField(default=dict)),
                ('created_at', models.DateTimeField()),
                ('retired_at', models.DateTimeField(null=True)),
                ('superseded_by', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='supersedes', to='marketdata.dataset')),
                ('instrument', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='datasets', to='marketdata.instrument')),
            ],
        ),
        migrations.CreateModel(
            name='Study',
            fields=[
                ('id', models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ('fingerprint', models.CharField(help_text="The dataset's fingerprint when the study was asked for.", max_length=64)),
                ('name', models.CharField(max_length=40)),
                ('parameters', models.JSONField()),
                ('parameters_key', models.CharField(max_length=64)),
                ('status', models.CharField(choices=[('queued', 'Queued'), ('running', 'Running'), ('completed', 'Completed'), ('failed', 'Failed')], default='queued', max_length=10)),
                ('error_code', models.CharField(blank=True, default='', max_length=40)),
                ('error_message', models.TextField(blank=True, default='')),
                ('bar_count', models.BigIntegerField()),
                ('created_at', models.DateTimeField()),
                ('started_at', models.DateTimeField(null=True)),
                ('finished_at', models.DateTimeField(null=True)),
                ('dataset', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='studies', to='marketdata.dataset')),
            ],
            options={
                'verbose_name_plural': 'studies',
            },
        ),
        migrations.CreateModel(
            name='StudyColumn',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('ordinal', models.PositiveIntegerField()),
                ('name', models.CharField(max_length=120)),
                ('data', models.BinaryField()),
                ('study', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='columns', to='marketdata.study')),
            ],
        ),
        migrations.CreateModel(
            name='TailBar',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('open_ms', models.BigIntegerField()),
                ('open', models.FloatField()),
                ('high', models.FloatField()),
                ('low', models.FloatField()),
                ('close', models.FloatField()),
                ('volume', models.FloatField()),
                ('dataset', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='tail', to='marketdata.dataset')),
            ],
        ),
        migrations.CreateModel(
            name='BarChunk',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('ordinal', models.PositiveIntegerField()),
                ('first_open_ms', models.BigIntegerField()),
                ('last_open_ms', models.BigIntegerField()),
                ('count', models.PositiveIntegerField()),
                ('sha256', models.CharField(max_length=64)),
                ('open_ms', models.BinaryField()),
                ('open', models.BinaryField()),
                ('high', models.BinaryField()),
                ('low', models.BinaryField()),
                ('close', models.BinaryField()),
                ('volume', models.BinaryField()),
                ('dataset', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='chunks', to='marketdata.dataset')),
            ],
            options={
                'constraints': [models.UniqueConstraint(fields=('dataset', 'ordinal'), name='barchunk_ordinal_unique'), models.CheckConstraint(condition=models.Q(('count__gt', 0), ('count__lte', 32768)), name='barchunk_count')],
            },
        ),
        migrations.AddConstraint(
            model_name='dataset',
            constraint=models.UniqueConstraint(fields=('instrument', 'timeframe', 'source', 'adjustment', 'revision'), name='dataset_revision_unique'),
        ),
        migrations.AddConstraint(
            model_name='dataset',
            constraint=models.UniqueConstraint(condition=models.Q(('retired_at__isnull', True), ('superseded_by__isnull', True)), fields=('instrument', 'timeframe', 'source', 'adjustment'), name='dataset_one_current_revision'),
        ),
        migrations.AddConstraint(
            model_name='dataset',
            constraint=models.CheckConstraint(condition=models.Q(('timeframe__in', ('1m', '3m', '5m', '15m', '30m', '1h', '2h', '4h', '6h', '8h', '12h', '1d', '3d', '1w', '1M'))), name='dataset_timeframe'),
        ),
        migrations.AddConstraint(
            model_name='dataset',
            constraint=models.CheckConstraint(condition=models.Q(('adjustment__in', ['raw', 'adjusted'])), name='dataset_adjustment'),
        ),
        migrations.AddConstraint(
            model_name='dataset',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('bar_count', 0), ('first_open_ms__isnull', True), ('last_open_ms__isnull', True)), models.Q(('bar_count__gt', 0), ('first_open_ms__lte', models.F('last_open_ms'))), _connector='OR'), name='dataset_coverage_matches_count'),
        ),
        migrations.AddConstraint(
            model_name='dataset',
            constraint=models.CheckConstraint(condition=models.Q(('sealed_count__gte', 0), ('sealed_count__lte', models.F('bar_count'))), name='dataset_sealed_within_count'),
        ),
        migrations.AddConstraint(
            model_name='study',
            constraint=models.UniqueConstraint(fields=('fingerprint', 'name', 'parameters_key'), name='study_computed_once'),
        ),
        migrations.AddConstraint(
            model_name='study',
            constraint=models.CheckConstraint(condition=models.Q(('status__in', ['queued', 'running', 'completed', 'failed'])), name='study_status'),
        ),
        migrations.AddConstraint(
            model_name='studycolumn',
            constraint=models.UniqueConstraint(fields=('study', 'ordinal'), name='studycolumn_ordinal_unique'),
        ),
        migrations.AddConstraint(
            model_name='tailbar',
            constraint=models.UniqueConstraint(fields=('dataset', 'open_ms'), name='tailbar_open_unique'),
        ),
        # Raw arrays of prices hardly compress: stored out of line and uncompressed they are read at once, and a
        # study's window can be cut out of the middle.
        migrations.RunSQL(EXTERNAL_STORAGE, migrations.RunSQL.noop),
        migrations.RunSQL(SEAL_CHUNKS, UNSEAL_CHUNKS),
    ]
