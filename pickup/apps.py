from django.apps import AppConfig


class PickupConfig(AppConfig):
    name = "pickup"
    default_auto_field = "django.db.models.BigAutoField"
