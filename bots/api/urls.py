"""Addresses of bots, relative to /api/v1/."""

from django.urls import path

from bots.api import leverage, live, market, records, views

urlpatterns = [
    path("bots", views.Bots.as_view(), name="api-bots"),
    path("bots/<uuid:bot_id>", views.OneBot.as_view(), name="api-bot"),
    path("bots/<uuid:bot_id>/start", views.Start.as_view(), name="api-bot-start"),
    path("bots/<uuid:bot_id>/stop", views.Stop.as_view(), name="api-bot-stop"),
    path("bots/<uuid:bot_id>/pause", views.Pause.as_view(), name="api-bot-pause"),
    path("bots/<uuid:bot_id>/resume", views.Resume.as_view(), name="api-bot-resume"),
    path("live", live.LiveOverview.as_view(), name="api-live"),
    path("live/bots/<uuid:bot_id>", live.LiveBot.as_view(), name="api-live-bot"),
    path("trades", records.Trades.as_view(), name="api-trades"),
    path("trades/stats", records.TradeStatistics.as_view(), name="api-trades-stats"),
    path("trades/<uuid:trade_id>", records.OneTrade.as_view(), name="api-trade"),
    path("positions", records.Positions.as_view(), name="api-positions"),
    path("positions/<uuid:position_id>", records.OnePosition.as_view(), name="api-position"),
    path("positions/<uuid:position_id>/close", records.ClosePosition.as_view(), name="api-position-close"),
    path("decisions", records.Decisions.as_view(), name="api-decisions"),
    path("decisions/<int:decision_id>", records.OneDecision.as_view(), name="api-decision"),
    path("orders", records.Orders.as_view(), name="api-orders"),
    path("orders/<int:order_id>", records.OneOrder.as_view(), name="api-order"),
    path("summary", market.SummaryOfBots.as_view(), name="api-summary"),
    path("market-status", market.MarketStatus.as_view(), name="api-market-status"),
    path("market-data/<str:symbol>", market.MarketData.as_view(), name="api-market-data"),
    path("leverage", leverage.LeverageList.as_view(), name="api-leverage"),
    path("leverage/sync", leverage.SyncLeverage.as_view(), name="api-leverage-sync"),
    path("leverage/<str:symbol>/force", leverage.ForceLeverage.as_view(), name="api-leverage-force"),
]
