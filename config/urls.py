"""Every public address. Clients, signs on walls and carriers depend on them: they are added, never changed."""

from __future__ import annotations

from csp.constants import SELF, UNSAFE_INLINE
from csp.decorators import csp_update
from django.conf import settings
from django.contrib import admin
from django.urls import include, path
from django.views.generic import RedirectView
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView

from config import data_api, data_pages, health, schema
from lending import urls as lending_urls
from pickup import urls as pickup_urls

__all__ = ["schema", "urlpatterns"]  # the schema's extensions are found once they are imported

# The page of the documentation brings a style element of its own, which no other page may.
docs = csp_update({"style-src": [SELF, UNSAFE_INLINE]})(SpectacularSwaggerSplitView.as_view(url_name="schema"))

urlpatterns = [
    path("healthz", health.alive, name="healthz"),
    path("readyz", health.ready, name="readyz"),
    path("metrics", health.metrics, name="metrics"),
    path("api/v1/", include([*pickup_urls.api, *lending_urls.api, *data_api.api])),
    path("api/schema/", SpectacularAPIView.as_view(), name="schema"),
    path("api/docs/", docs, name="docs"),
    path("privacy/", data_pages.privacy, name="privacy"),
    path("my/settings/data/", data_pages.mine, name="settings-data"),
    path("my/settings/data/export/", data_pages.export, name="export-data"),
    path("my/settings/data/erase/", data_pages.erase, name="erase-data"),
    path("admin/login/", RedirectView.as_view(pattern_name="staff-sign-in", query_string=True)),
    path("admin/", admin.site.urls),
    path("i18n/", include("django.conf.urls.i18n")),
    path("", include("notifications.urls")),
    *([path("", include("notifications.sandbox.urls"))] if settings.SANDBOX else []),
    path("", include([*pickup_urls.pages, *lending_urls.pages])),
]

handler400 = "config.refusals.bad_request"
handler403 = "config.refusals.forbidden"
handler404 = "config.refusals.not_found"
handler500 = "config.refusals.broken"
