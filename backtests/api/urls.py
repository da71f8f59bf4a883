"""Addresses of backtests, relative to /api/v1/."""

from django.urls import path

from backtests.api import views

urlpatterns = [
    path("backtests", views.Backtests.as_view(), name="api-backtests"),
    path("backtests/<uuid:backtest_id>", views.OneBacktest.as_view(), name="api-backtest"),
    path("backtests/<uuid:backtest_id>/cancel", views.Cancel.as_view(), name="api-backtest-cancel"),
    path("backtests/<uuid:backtest_id>/equity", views.Equity.as_view(), name="api-backtest-equity"),
    path("backtests/<uuid:backtest_id>/candles", views.Candles.as_view(), name="api-backtest-candles"),
    path("backtests/<uuid:backtest_id>/trades", views.Trips.as_view(), name="api-backtest-trades"),
    path("backtests/<uuid:backtest_id>/fills", views.Fills.as_view(), name="api-backtest-fills"),
    path("backtests/<uuid:backtest_id>/orders", views.Orders.as_view(), name="api-backtest-orders"),
    path("backtests/<uuid:backtest_id>/decisions", views.Decisions.as_view(), name="api-backtest-decisions"),
    path("backtests/<uuid:backtest_id>/decisions/<int:row>", views.Decision.as_view(), name="api-backtest-decision"),
]
