"""Every URL of the site."""

from django.contrib import admin
from django.contrib.auth import views as auth
from django.urls import include, path

from tradingsite.api import docs

handler400 = "tradingsite.api.plain.bad_request"
handler403 = "tradingsite.api.plain.permission_denied"
handler404 = "tradingsite.api.plain.page_not_found"
handler500 = "tradingsite.api.plain.server_error"

urlpatterns = [
    path("admin/", admin.site.urls),
    path("login", auth.LoginView.as_view(redirect_authenticated_user=True), name="login"),
    path("logout", auth.LogoutView.as_view(), name="logout"),
    path("docs", docs.show, name="docs"),
    path("api/v1/", include("tradingsite.api.urls")),
    path("", include("tradingsite.health.urls")),
    path("", include("tradingsite.dashboard.urls")),
]
