"""When the carrier is down or refuses us, this process stops asking for a while, then asks with one text.

Kept in the process: it spares the carrier and keeps texts out of doubt; no promise hangs on it.
"""

from __future__ import annotations

import threading
import time
from typing import Final

from notifications.errors import CarrierError, InDoubt, NoConnection, Stopped

DOUBTS: Final = 5
"""So many tries in a row without a plain answer, and it opens."""
DOUBTS_SECONDS: Final = 15.0
STOPPED_SECONDS: Final = 60.0

_lock = threading.Lock()
_doubts = 0
_open_until = 0.0
_trying = False


def room(most: int) -> int:
    """How many texts may be claimed now: `most`, one for a try after a pause, or none."""
    with _lock:
        if time.monotonic() < _open_until:
            return 0
        return 1 if _trying else most


def closed() -> bool:
    """Whether a claimed text may leave."""
    with _lock:
        return time.monotonic() >= _open_until


def note(error: CarrierError | None) -> None:
    """Take in how one sending went; any plain answer of the carrier closes it again."""
    global _doubts, _open_until, _trying  # noqa: PLW0603
    with _lock:
        if isinstance(error, Stopped):
            _open_until, _trying = time.monotonic() + STOPPED_SECONDS, True
        elif isinstance(error, InDoubt | NoConnection):
            _doubts += 1
            if _doubts >= DOUBTS or _trying:
                _open_until, _trying = time.monotonic() + DOUBTS_SECONDS, True
        else:
            _doubts, _trying = 0, False


def reset() -> None:
    """Forget everything, as a new process would."""
    global _doubts, _open_until, _trying
    with _lock:
        _doubts, _open_until, _trying = 0, 0.0, False
