"""The Celery app, the hand-offs by name, and the whole timetable. Reasons for the settings: docs/runbook.md."""

from __future__ import annotations

import gc
import os
from importlib import import_module
from typing import Any

from celery import Celery, Task
from celery.signals import worker_init
from kombu import Exchange, Queue

from core import nudge

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
os.environ.setdefault("STATEMENT_TIMEOUT_MS", "30000")  # counts where this is the first of our modules: in a worker

from django.conf import settings
from django.utils.module_loading import import_string

HANDOFFS = {
    "copy came free": "lending.tasks.allocate",
    "reservation allocated": "pickup.tasks.assemble",
    "order ready": "pickup.tasks.offer",
    "rehearsal started": "pickup.tasks.rehearse",
    "code asked": "lending.tasks.send_codes",
    "message queued": "notifications.tasks.deliver",
    "inbound stored": "notifications.tasks.apply_inbound",
}

# Two beats may run: every task claims its rows, so a second ringing finds nothing to do.
TIMETABLE = {
    "notifications.tasks.deliver": 5.0,
    "notifications.tasks.apply_inbound": 10.0,
    "notifications.tasks.resolve_doubts": 5.0,
    "notifications.tasks.fetch_missing": 120.0,
    "lending.tasks.send_codes": 5.0,
    "lending.tasks.allocate": 15.0,
    "lending.tasks.remind": 300.0,
    "lending.tasks.deadlines": 300.0,
    "pickup.tasks.assemble": 10.0,
    "pickup.tasks.offer": 10.0,
    "pickup.tasks.deadlines": 20.0,
    "pickup.tasks.rehearse": 5.0,
    "pickup.tasks.make_slots": 600.0,
    "config.tasks.forget": 3600.0,
    "config.tasks.erase_due": 3600.0,
}
if settings.SANDBOX:
    TIMETABLE["notifications.sandbox.tasks.post"] = 1.0


class Beating(Task):  # type: ignore[type-arg]
    """A task that leaves a heartbeat: a worker that answers but does not sweep is as bad as none (see /metrics)."""

    def on_success(self, retval: object, task_id: str, args: object, kwargs: dict[str, object]) -> None:
        """Note that a whole sweep ran to its end; a nudge for a few rows is no sweep."""
        if self.name in TIMETABLE and not kwargs:
            clock, models = import_module("core.clock"), import_module("core.models")  # need the apps to be ready
            models.Heartbeat.objects.update_or_create(sweep=self.name, defaults={"at": clock.database_now()})


@worker_init.connect
def before_forking(**_told: Any) -> None:
    """What a worker does once for all of its processes, so that whoever replaces a dead one works at once."""
    for transport in filter(None, settings.TRANSPORTS.values()):
        import_string(transport)
    collect_rarely()


def collect_rarely() -> None:
    """Look for garbage among what a task makes, not among the modules, and after many rows, not after few.

    A round of ten thousand bags makes a hundred thousand objects, and looking through them took a fifth of its time.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)


app = Celery("lending", task_cls=Beating)
nudge.connect(HANDOFFS)

# Workers take from both queues in turn: no flood of doorbells, such as ten thousand texts at nine, starves the sweeps.
DOORBELLS, SWEEPS = "doorbells", "sweeps"
BROKER_PATIENCE = 300  # seconds until an unacknowledged task goes to another worker; above the task time limit
app.conf.update(
    broker_url=settings.REDIS_URL,
    broker_transport_options={
        "visibility_timeout": BROKER_PATIENCE,
        "unacked_restore_interval": 5,
        "socket_timeout": 10,
        "socket_connect_timeout": 1,
        "global_keyprefix": f"{settings.LIVE_PREFIX}:",
    },
    visibility_timeout=BROKER_PATIENCE,
    task_default_queue=DOORBELLS,
    task_queues=[Queue(name, Exchange(name), routing_key=name) for name in (DOORBELLS, SWEEPS)],
    broker_connection_retry_on_startup=True,
    broker_connection_max_retries=None,
    broker_pool_acquire_timeout=2,
    task_publish_retry_policy={"max_retries": 0},
    task_acks_late=True,
    task_acks_on_failure=True,
    task_acks_on_timeout=True,
    task_reject_on_worker_lost=True,
    task_ignore_result=True,
    task_time_limit=60,
    task_soft_time_limit=45,
    worker_prefetch_multiplier=1,
    worker_concurrency=2,
    worker_soft_shutdown_timeout=5.0,
    worker_enable_soft_shutdown_on_idle=True,
    worker_cancel_long_running_tasks_on_connection_loss=True,
    worker_max_tasks_per_child=1000,
    worker_max_memory_per_child=300_000,
    worker_send_task_events=False,
    worker_enable_remote_control=False,
    worker_hijack_root_logger=False,
    timezone="UTC",
    beat_schedule={
        name: {"task": name, "schedule": every, "options": {"expires": every * 2, "queue": SWEEPS}}
        for name, every in TIMETABLE.items()
    },
)
app.autodiscover_tasks(
    ["lending", "pickup", "notifications", "config", *(["notifications.sandbox"] if settings.SANDBOX else [])]
)
