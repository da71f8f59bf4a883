"""Probes: short paths without a version, as machines expect them."""

from django.urls import path

from tradingsite.health import views

urlpatterns = [
    path("healthz", views.alive, name="healthz"),
    path("ready", views.ready, name="ready"),
    path("health", views.health, name="health"),
]
