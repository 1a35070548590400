"""Pages and API, for WSGI servers."""

import os
import threading
from typing import Any

from django.core.wsgi import get_wsgi_application
from django.db import connections

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

application = get_wsgi_application()

# No event loop runs in these threads; Django would look for one whenever it looks for its connection.
of_this_thread: Any = threading.local()
connections._connections = of_this_thread  # type: ignore[attr-defined]  # not in the stubs
