"""Where the forum's pages are: as in Spirit's project template, with uploads and static files served here."""

from __future__ import annotations

import spirit.urls
from django.conf import settings
from django.contrib import admin
from django.contrib.auth.decorators import login_required
from django.contrib.staticfiles.views import serve as serve_static
from django.urls import include, re_path
from django.views.static import serve

admin.site.login = login_required(admin.site.login)  # type: ignore[method-assign]

urlpatterns = [
    re_path(r"^", include(spirit.urls)),
    re_path(r"^admin/", admin.site.urls),
    re_path(r"^media/(?P<path>.*)$", serve, {"document_root": settings.MEDIA_ROOT}),
    re_path(r"^static/(?P<path>.*)$", serve_static, {"insecure": True}),
]
