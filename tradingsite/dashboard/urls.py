"""The pages' addresses."""

from django.urls import path

from tradingsite.dashboard.views import backtests, bots, credits, data, decisions, overview
from tradingsite.dashboard.views.configuration import (
    changeset,
    cockpit,
    editor,
    effective,
    history,
    matrix,
    search,
    snapshot,
    timemachine,
    transfer,
)

app_name = "pages"
urlpatterns = [
    path("", overview.show, name="overview"),
    path("bots", bots.index, name="bots"),
    path("bots/<uuid:bot_id>", bots.detail, name="bot"),
    path("bots/<uuid:bot_id>/curve", bots.curve, name="bot-curve"),
    path("decisions/<int:decision_id>", decisions.show, name="bot-decision"),
    path("backtests", backtests.index, name="backtests"),
    path("backtests/<uuid:backtest_id>", backtests.detail, name="backtest"),
    path("backtests/<uuid:backtest_id>/curve", backtests.curve, name="backtest-curve"),
    path("backtests/<uuid:backtest_id>/cancel", backtests.cancel, name="backtest-cancel"),
    path("backtests/<uuid:backtest_id>/decisions/<int:row>", backtests.decision, name="decision"),
    path("data", data.index, name="datasets"),
    path("data/import", data.upload, name="dataset-import"),
    path("data/<uuid:dataset_id>", data.detail, name="dataset"),
    path("config", cockpit.show, name="config-cockpit"),
    path("config/time", timemachine.show, name="config-time"),
    path("config/import", transfer.show, name="config-import"),
    path("config/effective", effective.show, name="config-effective"),
    path("config/edit/<path:scope>", editor.show, name="config-edit"),
    path("config/matrix", matrix.show, name="config-matrix"),
    path("config/changes", history.show, name="config-changes"),
    path("config/changes/<int:version>", changeset.show, name="config-change"),
    path("config/search", search.find, name="config-search"),
    path("snapshots/<slug:hash>", snapshot.show, name="snapshot"),
    path("credits", credits.show, name="credits"),
]
