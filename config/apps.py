from django.apps import AppConfig


class FrameConfig(AppConfig):
    """The frame: settings, addresses, the timetable, commands that touch several rooms. No models."""

    name = "config"
