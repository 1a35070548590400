"""What is set up once: rules of points, lanes; windows have a page of their own. States are moved by the verbs."""

from __future__ import annotations

from typing import ClassVar

from django.contrib import admin
from django.http import HttpRequest

from pickup import hours
from pickup.models import Lane, PointRules, Slot


@admin.register(PointRules)
class PointRulesAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    """What is set at /staff/times/, with its history, is only shown here."""

    list_display = ("point", "promise", "by_appointment", "silence", "keep_days")
    readonly_fields = hours.RULES


@admin.register(Lane)
class LaneAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    list_display = ("point", "name", "open")


@admin.register(Slot)
class SlotAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    """To look at; a slot may be closed or opened, its places are counted by the promises."""

    list_display = ("point", "starts_at", "booked", "capacity", "accessible", "open")
    list_filter = ("point", "open")
    date_hierarchy = "starts_at"
    fields = ("point", "starts_at", "ends_at", "booked", "capacity", "booked_accessible", "accessible", "open")
    readonly_fields: ClassVar = [name for name in fields if name != "open"]

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Slot | None = None) -> bool:
        return False
