"""Addresses of bots, relative to /api/v1/."""

from django.urls import path

from bots.api import views

urlpatterns = [
    path("bots", views.Bots.as_view(), name="api-bots"),
    path("bots/<uuid:bot_id>", views.OneBot.as_view(), name="api-bot"),
]
