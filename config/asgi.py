"""Everything, live streams included, for ASGI servers."""

import os
from typing import TYPE_CHECKING, cast

from django.core.asgi import get_asgi_application

if TYPE_CHECKING:
    from pickup.streams import App

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

django = get_asgi_application()

from pickup.streams import held  # noqa: E402 - needs the apps to be ready

application = held(cast("App", django))
