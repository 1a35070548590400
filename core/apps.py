from django.apps import AppConfig
from django.db.backends.signals import connection_created

from core import driver


class CoreConfig(AppConfig):
    name = "core"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        connection_created.connect(driver.adapt)
