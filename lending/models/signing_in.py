"""What signing in leaves behind: guesses that failed, one-time codes, devices that are remembered."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from lending.models.libraries import Library
from lending.models.people import Account, Patron
from notifications.phone import E164


class Guess(models.Model):
    """How often in a row somebody failed to sign in by one name; each failure makes the next wait longer."""

    key = models.CharField(max_length=64, unique=True, help_text=_("a digest: it names nobody"))
    failures = models.PositiveIntegerField(default=1)
    last_at = models.DateTimeField()
    wait_until = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(wait_until__isnull=True) | Q(wait_until__gt=F("last_at")), name="lending_wait_follows_guess"
            ),
        ]
        indexes: ClassVar = [models.Index(fields=["last_at"], name="lending_guess_age")]

    def __str__(self) -> str:
        return f"{self.failures} failures"


class OneTimeCode(models.Model):
    """A code of six digits that works once. Asking for one leaves a row for unknown cards too, which no code fits."""

    class Purpose(models.TextChoices):
        SIGN_IN = "sign_in", _("to sign in")
        NUMBER = "number", _("to confirm a number")

    purpose = models.CharField(max_length=10, choices=Purpose.choices, default=Purpose.SIGN_IN)
    key = models.CharField(max_length=64, help_text=_("digest of the card it was asked for"))
    patron = models.ForeignKey(Patron, null=True, blank=True, on_delete=models.CASCADE, related_name="codes")
    number = models.CharField(max_length=16, blank=True, help_text=_("the number that is to be confirmed"))
    digest = models.CharField(max_length=64, blank=True)
    tries = models.PositiveSmallIntegerField(default=0)
    asked_at = models.DateTimeField()
    made_at = models.DateTimeField(null=True, blank=True)
    used_at = models.DateTimeField(null=True, blank=True)
    expires_at = models.DateTimeField()

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(purpose="sign_in", number="") | Q(purpose="number", number__regex=E164),
                name="lending_code_for_a_number_names_it",
            ),
            models.CheckConstraint(condition=Q(tries__lte=5), name="lending_code_tried_five_times_at_most"),
            models.CheckConstraint(
                condition=Q(used_at__isnull=True) | ~Q(digest=""), name="lending_used_code_was_made"
            ),
            models.CheckConstraint(condition=Q(expires_at__gt=F("asked_at")), name="lending_code_lives_a_while"),
        ]
        indexes: ClassVar = [
            models.Index(fields=["key", "-id"], name="lending_code_of_card"),
            models.Index(fields=["id"], condition=Q(made_at__isnull=True), name="lending_code_to_make"),
        ]

    def __str__(self) -> str:
        return f"code {self.pk} {self.purpose}"


class RememberedDevice(models.Model):
    """A browser that its owner asked to stay signed in; only the digest of its key is kept."""

    account = models.ForeignKey(Account, on_delete=models.CASCADE, related_name="devices")
    digest = models.CharField(max_length=64, unique=True)
    name = models.CharField(max_length=60, help_text=_("as it calls itself: Chrome, Android"))
    made_at = models.DateTimeField()
    seen_at = models.DateTimeField()
    expires_at = models.DateTimeField()

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(condition=Q(expires_at__gt=F("made_at")), name="lending_device_lives_a_while"),
        ]

    def __str__(self) -> str:
        return self.name


class SecondFactor(models.Model):
    """The secret that a member of staff shares with their authenticator (TOTP, RFC 6238); counts once confirmed."""

    account = models.OneToOneField(Account, on_delete=models.CASCADE, related_name="second_factor")
    secret = models.CharField(max_length=40, help_text=_("hexadecimal"))
    made_at = models.DateTimeField()
    confirmed_at = models.DateTimeField(null=True, blank=True)
    last_step = models.BigIntegerField(default=0, help_text=_("the last step of half a minute whose code was used"))

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(("secret__regex", r"^[0-9a-f]{40}$")), name="lending_second_factor_secret"
            ),
            models.CheckConstraint(
                condition=Q(confirmed_at__isnull=True) | Q(confirmed_at__gte=F("made_at")),
                name="lending_second_factor_made_before_confirmed",
            ),
        ]

    def __str__(self) -> str:
        return f"second factor of account {self.account_id}"


class RecoveryCode(models.Model):
    """A code for the day on which the authenticator is lost; works once, only its digest is kept."""

    account = models.ForeignKey(Account, on_delete=models.CASCADE, related_name="recovery_codes")
    digest = models.CharField(max_length=64)
    used_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["account", "digest"], name="lending_recovery_code_given_once"),
        ]

    def __str__(self) -> str:
        return f"recovery code of account {self.account_id}"


class AccessReview(models.Model):
    """A manager looked through who looked at whose records in a month, and what they found."""

    library = models.ForeignKey(Library, on_delete=models.CASCADE, related_name="access_reviews")
    month = models.DateField(help_text=_("its first day"))
    by = models.CharField(max_length=40)
    at = models.DateTimeField()
    note = models.CharField(max_length=300, blank=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["library", "month"], name="lending_month_reviewed_once"),
            models.CheckConstraint(condition=Q(month__day=1), name="lending_review_of_a_whole_month"),
        ]

    def __str__(self) -> str:
        return f"{self.library_id} {self.month:%Y-%m}"


class Tablet(models.Model):
    """A tablet that the colleagues of a library share; on it a staff PIN is enough to take over."""

    library = models.ForeignKey(Library, on_delete=models.CASCADE, related_name="tablets")
    digest = models.CharField(max_length=64, unique=True)
    name = models.CharField(max_length=60)
    made_at = models.DateTimeField()
    made_by = models.CharField(max_length=40)
    expires_at = models.DateTimeField()

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(condition=Q(expires_at__gt=F("made_at")), name="lending_tablet_lives_a_while"),
        ]

    def __str__(self) -> str:
        return self.name
