"""The rows of this room to look at. States move through verbs alone; what was said is never edited."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.db.models import Model
from django.http import HttpRequest

from notifications.models import Call, InboundMessage, Message, OptOut, OwnWords, Receipt, Sender

if TYPE_CHECKING:
    AnyAdmin = admin.ModelAdmin[Any]
    SenderRows = admin.ModelAdmin[Sender]
else:
    AnyAdmin = SenderRows = admin.ModelAdmin


class ReadOnly(AnyAdmin):
    """Looked at, never changed here."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False


@admin.register(Sender)
class SenderAdmin(SenderRows):
    """Number, names, quiet hours, budget and gateway of a sender."""

    list_display = ("key", "number", "name_ko", "gateway", "quiet_from", "quiet_until", "daily_budget")
    search_fields = ("key", "number", "name_ko", "name_en")

    def has_delete_permission(self, request: HttpRequest, obj: Sender | None = None) -> bool:
        return False


@admin.register(OwnWords)
class OwnWordsAdmin(ReadOnly):
    """What senders say in place of the words that came with the service; changed at /staff/texts/."""

    list_display = ("sender", "key", "language", "body", "at", "principal")
    list_filter = ("sender", "language")
    list_select_related = ("sender",)


@admin.register(Message)
class MessageAdmin(ReadOnly):
    """Texts, newest first; the body only on the row's own page."""

    list_display = ("id", "state", "kind", "template", "about", "sender", "attempts", "error_code", "why", "moved_at")
    list_filter = ("state", "kind", "sender")
    search_fields = ("about", "provider_id", "dedup_key", "to")
    ordering = ("-id",)
    list_select_related = ("sender",)
    show_full_result_count = False


@admin.register(InboundMessage)
class InboundAdmin(ReadOnly):
    """What people sent us."""

    list_display = ("id", "state", "why", "about", "sender", "received_at", "attempts")
    list_filter = ("state", "sender")
    search_fields = ("provider_id", "from_number", "about")
    ordering = ("-id",)
    list_select_related = ("sender",)
    show_full_result_count = False


@admin.register(Call)
class CallAdmin(ReadOnly):
    """The call list."""

    list_display = ("id", "state", "sender", "about", "due_at", "not_after", "tries")
    list_filter = ("state", "sender")
    search_fields = ("number", "about")
    ordering = ("-id",)
    list_select_related = ("sender",)


@admin.register(OptOut)
class OptOutAdmin(ReadOnly):
    """Numbers that want no texts, and when that began and ended."""

    list_display = ("number", "since", "until", "source")
    search_fields = ("number",)
    ordering = ("-id",)


@admin.register(Receipt)
class ReceiptAdmin(ReadOnly):
    """Reports that came before we knew the text; kept for a day."""

    list_display = ("provider_id", "message_id", "status", "error_code", "at")
    search_fields = ("provider_id",)
    ordering = ("-id",)
