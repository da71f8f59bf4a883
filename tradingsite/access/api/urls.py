"""Addresses of tokens, relative to /api/v1/."""

from django.urls import path

from tradingsite.access.api import views

urlpatterns = [
    path("tokens", views.Tokens.as_view(), name="api-tokens"),
    path("tokens/<uuid:token_id>", views.OneToken.as_view(), name="api-token"),
]
