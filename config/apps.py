from django.apps import AppConfig


class FrameConfig(AppConfig):
    """The frame: settings, addresses, the timetable, commands that touch several rooms. No models."""

    name = "config"

    def ready(self) -> None:
        """Load the Celery app, so that every process that rings a hand-off knows the task behind it."""
        from config import celery, checks  # noqa: F401
