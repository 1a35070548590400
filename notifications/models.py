"""Senders, messages, what came in, who opted out, whom to call. Knows numbers, never patrons."""

from __future__ import annotations

from typing import ClassVar

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Case, F, Q, When
from django.utils.translation import gettext_lazy as _

from core.moves import Moving, state_law
from notifications.phone import E164
from notifications.states import CALL_MOVES, INBOUND_MOVES, MESSAGE_MOVES, CallState, InboundState, MessageState


class Gateway(models.TextChoices):
    """Who carries a sender's texts; decides with the country which doors are open (notifications/doors.py)."""

    TWILIO = "twilio", _("Twilio")
    DOMESTIC = "domestic", _("domestic gateway with replies")


class Kind(models.TextChoices):
    """What a message is; decides priority and quiet hours."""

    ANSWER = "answer", _("answer to something just done")
    CODE = "code", _("one-time code")
    NOTICE = "notice", _("notice")
    REMINDER = "reminder", _("reminder")


URGENT = (Kind.ANSWER, Kind.CODE)
"""Somebody waits for them."""
TURN = (
    Case(When(kind__in=URGENT, then=0), default=1, output_field=models.SmallIntegerField()),
    F("not_before"),
    F("id"),
)
"""The order in which texts leave."""


class Sender(models.Model):
    """Where messages come from: one number with its zone, quiet hours and budget."""

    key = models.SlugField(max_length=40, unique=True)
    number = models.CharField(max_length=16, help_text=_("E.164; the number that texts come from and answers go to"))
    name_ko = models.CharField(max_length=40)
    name_en = models.CharField(max_length=60)
    phone = models.CharField(max_length=20, help_text=_("the number people call, as printed in texts"))
    desk = models.CharField(
        max_length=16, blank=True, help_text=_("E.164; rings when somebody who calls the number wants a person")
    )
    region = models.CharField(max_length=2, default="KR")
    zone = models.CharField(max_length=40, default="Asia/Seoul")
    gateway = models.CharField(max_length=10, choices=Gateway.choices, default=Gateway.TWILIO)
    quiet_from = models.TimeField(help_text=_("local time from which notices wait"))
    quiet_until = models.TimeField()
    daily_budget = models.PositiveIntegerField(default=2000, help_text=_("segments per local day"))
    per_person = models.PositiveSmallIntegerField(
        default=12, null=True, blank=True, help_text=_("notices and reminders to one number per local day; empty: any")
    )
    part_price = models.DecimalField(
        max_digits=8, decimal_places=4, null=True, blank=True, help_text=_("what the carrier takes for one part")
    )
    currency = models.CharField(max_length=3, default="USD", help_text=_("ISO 4217, such as KRW"))
    countries = ArrayField(
        models.CharField(max_length=2),
        default=list,
        blank=True,
        help_text=_("ISO 3166; texts go to numbers of these countries alone, empty: of all"),
    )

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(condition=Q(number__regex=E164), name="notifications_sender_number_e164"),
            models.CheckConstraint(
                condition=Q(desk="") | (Q(desk__regex=E164) & ~Q(desk=F("number"))),
                name="notifications_sender_desk_rings",
            ),
            models.CheckConstraint(
                condition=Q(per_person__isnull=True) | Q(per_person__gte=1), name="notifications_sender_tells_at_all"
            ),
            models.CheckConstraint(
                condition=Q(part_price__isnull=True) | Q(part_price__gte=0), name="notifications_sender_pays_or_not"
            ),
        ]

    def __str__(self) -> str:
        return self.key

    def name_in(self, language: str) -> str:
        """The Korean name for readers of Korean, else the English one."""
        return self.name_ko if language.startswith("ko") else self.name_en


class Message(Moving):
    """One text to one number. `about` is opaque here (`order:42`); bodies keep `{link}` until the claim."""

    MOVES = MESSAGE_MOVES
    FIRST = MessageState.QUEUED
    PRACTICE = "practice:"
    """Begins the dedup key of what is said in a rehearsal, so that the claim knows it too."""

    sender = models.ForeignKey(Sender, on_delete=models.PROTECT, related_name="messages")
    to = models.CharField(max_length=16)
    mail = models.EmailField(blank=True, help_text=_("it goes to this address, since the number takes no texts"))
    language = models.CharField(max_length=5)
    kind = models.CharField(max_length=10, choices=Kind.choices)
    template = models.CharField(max_length=40)
    body = models.TextField(blank=True)
    about = models.CharField(max_length=40, blank=True)
    dedup_key = models.CharField(max_length=120)
    generation = models.PositiveSmallIntegerField(default=1)
    created_at = models.DateTimeField()
    not_before = models.DateTimeField(help_text=_("waits until then: quiet hours, undo, back-off"))
    not_after = models.DateTimeField(help_text=_("of no use any more from then on"))
    call_until = models.DateTimeField(null=True, blank=True, help_text=_("until then staff call if it did not leave"))
    attempts = models.PositiveSmallIntegerField(default=0)
    resends = models.PositiveSmallIntegerField(default=0)
    paid = models.BooleanField(default=False, help_text=_("counted against what the sender may send on a day"))
    may_call = models.BooleanField(default=True, help_text=_("staff may phone instead when the text cannot reach"))
    lease_until = models.DateTimeField(null=True, blank=True)
    provider_id = models.CharField(max_length=64, blank=True)
    accepted_at = models.DateTimeField(null=True, blank=True)
    error_code = models.CharField(max_length=20, blank=True)
    why = models.CharField(max_length=40, blank=True, help_text=_("the reason for suppressed, expired and failed"))
    segments = models.PositiveSmallIntegerField(default=0)
    replaced_by = models.ForeignKey(
        "self", null=True, blank=True, on_delete=models.PROTECT, related_name="replaces", db_index=False
    )

    class Meta:
        constraints: ClassVar = [
            state_law("notifications_message_state_known", MESSAGE_MOVES),
            models.UniqueConstraint(fields=["dedup_key", "generation"], name="notifications_message_said_once"),
            models.UniqueConstraint(
                fields=["provider_id"], condition=~Q(provider_id=""), name="notifications_provider_id_on_one_message"
            ),
            models.CheckConstraint(condition=Q(to__regex=E164), name="notifications_message_to_e164"),
            models.CheckConstraint(condition=Q(kind__in=Kind.values), name="notifications_message_kind_known"),
            models.CheckConstraint(
                condition=~Q(state=MessageState.SENDING) | Q(lease_until__isnull=False),
                name="notifications_sending_has_lease",
            ),
            models.CheckConstraint(
                condition=~Q(state=MessageState.ACCEPTED) | ~Q(provider_id=""),
                name="notifications_accepted_has_provider_id",
            ),
            models.CheckConstraint(condition=Q(resends__lte=1), name="notifications_resent_at_most_once"),
            models.CheckConstraint(
                condition=Q(not_after__gt=F("created_at")), name="notifications_message_of_use_for_a_while"
            ),
        ]
        indexes: ClassVar = [
            models.Index(*TURN, condition=Q(state=MessageState.QUEUED), name="notifications_message_turn"),
            models.Index(
                fields=["state", "lease_until"],
                condition=Q(state__in=[MessageState.SENDING, MessageState.IN_DOUBT, MessageState.ACCEPTED]),
                name="notifications_message_open",
            ),
            models.Index(fields=["about", "id"], name="notifications_message_about"),
            models.Index(fields=["to", "-id"], name="notifications_message_to"),
            models.Index(
                fields=["replaced_by"], condition=Q(replaced_by__isnull=False), name="notifications_message_replaced"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.template} {self.pk} ({self.state})"


class OwnWords(models.Model):
    """What a sender says in place of a registered sentence (notifications/wording.py), in one language."""

    class Language(models.TextChoices):
        KO = "ko", _("Korean")
        EN = "en", _("English")

    sender = models.ForeignKey(Sender, on_delete=models.PROTECT, related_name="words")
    key = models.CharField(max_length=40)
    language = models.CharField(max_length=2, choices=Language.choices)
    body = models.CharField(max_length=500)
    at = models.DateTimeField()
    principal = models.CharField(max_length=40)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["sender", "key", "language"], name="notifications_own_words_once"),
            models.CheckConstraint(condition=Q(language__in=["ko", "en"]), name="notifications_own_words_language"),
            models.CheckConstraint(condition=~Q(body=""), name="notifications_own_words_say_something"),
        ]

    def __str__(self) -> str:
        return f"{self.key} ({self.language})"


class Receipt(models.Model):
    """A carrier's report about a message we do not know yet; it may beat our own commit. Kept for a day."""

    provider_id = models.CharField(max_length=64)
    message_id = models.BigIntegerField(null=True, blank=True, help_text=_("our own id, from the callback's address"))
    status = models.CharField(max_length=20)
    error_code = models.CharField(max_length=20, blank=True)
    at = models.DateTimeField()

    class Meta:
        indexes: ClassVar = [models.Index(fields=["provider_id"], name="notifications_receipt_of")]

    def __str__(self) -> str:
        return f"{self.provider_id}: {self.status}"


class InboundMessage(Moving):
    """What somebody sent us. Committed raw first; applied once, in a second transaction that a sweep repeats."""

    MOVES = INBOUND_MOVES
    FIRST = InboundState.STORED

    sender = models.ForeignKey(Sender, null=True, on_delete=models.PROTECT, related_name="inbound")
    provider_id = models.CharField(max_length=64)
    from_number = models.CharField(max_length=40)
    to_number = models.CharField(max_length=40)
    body = models.TextField(blank=True)
    media = models.PositiveSmallIntegerField(default=0)
    opt_out_type = models.CharField(max_length=10, blank=True)
    received_at = models.DateTimeField()
    about = models.CharField(max_length=40, blank=True, help_text=_("what it was taken to answer"))
    why = models.CharField(max_length=40, blank=True, help_text=_("what was understood, or why it was parked"))
    attempts = models.PositiveSmallIntegerField(default=0)

    class Meta:
        constraints: ClassVar = [
            state_law("notifications_inbound_state_known", INBOUND_MOVES),
            models.UniqueConstraint(fields=["provider_id"], name="notifications_inbound_stored_once"),
        ]
        indexes: ClassVar = [
            models.Index(fields=["id"], condition=Q(state=InboundState.STORED), name="notifications_inbound_waiting"),
        ]

    def __str__(self) -> str:
        return f"{self.provider_id} ({self.state})"

    @property
    def answer_key(self) -> str:
        """The dedup key of what is answered to it."""
        return f"answer:{self.provider_id}"


class OptOut(models.Model):
    """A number that wants no texts, from `since` until `until` (null: still)."""

    number = models.CharField(max_length=16)
    since = models.DateTimeField()
    until = models.DateTimeField(null=True, blank=True)
    source = models.CharField(max_length=20, help_text=_("inbound, carrier, staff or patron"))

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["number"], condition=Q(until__isnull=True), name="notifications_opted_out_once"
            ),
            models.CheckConstraint(condition=Q(number__regex=E164), name="notifications_opt_out_e164"),
        ]

    def __str__(self) -> str:
        return self.number


class Call(Moving):
    """Somebody whom staff must phone, since no text can reach them."""

    MOVES = CALL_MOVES
    FIRST = CallState.DUE

    sender = models.ForeignKey(Sender, on_delete=models.PROTECT, related_name="calls")
    number = models.CharField(max_length=16)
    language = models.CharField(max_length=5)
    say = models.TextField(blank=True, help_text=_("the sentence to say"))
    about = models.CharField(max_length=40, blank=True)
    dedup_key = models.CharField(max_length=120)
    created_at = models.DateTimeField()
    due_at = models.DateTimeField()
    not_after = models.DateTimeField()
    tries = models.PositiveSmallIntegerField(default=0)

    class Meta:
        constraints: ClassVar = [
            state_law("notifications_call_state_known", CALL_MOVES),
            models.UniqueConstraint(fields=["dedup_key"], name="notifications_call_listed_once"),
            models.CheckConstraint(condition=Q(number__regex=E164), name="notifications_call_number_e164"),
        ]
        indexes: ClassVar = [
            models.Index(fields=["due_at"], condition=Q(state=CallState.DUE), name="notifications_call_due"),
            models.Index(fields=["about"], name="notifications_call_about"),
        ]

    def __str__(self) -> str:
        return f"call {self.pk} ({self.state})"
