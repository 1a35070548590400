"""Who signs in, who works where, who borrows, and how to reach them."""

from __future__ import annotations

from typing import ClassVar

from django.contrib.auth.models import AbstractUser
from django.contrib.postgres.fields import ArrayField
from django.core.validators import RegexValidator
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from core.rows import Read
from lending.models.libraries import Library
from notifications.phone import E164

CARD_NUMBER = r"^[0-9A-Z-]{4,20}$"


class Language(models.TextChoices):
    KO = "ko", "한국어"
    EN = "en", "English"


class Account(AbstractUser, Read):
    """Somebody who signs in: staff by name and password, a patron by card number and PIN."""

    language = models.CharField(max_length=5, choices=Language.choices, default=Language.KO)
    email = models.EmailField(blank=True)
    staff_pin = models.CharField(max_length=128, blank=True, help_text=_("hash of the PIN for shared tablets"))


class Membership(models.Model):
    """What an account may do in a library."""

    class Role(models.TextChoices):
        LIBRARIAN = "librarian", _("librarian")
        MANAGER = "manager", _("manager")

    account = models.ForeignKey(Account, on_delete=models.CASCADE, related_name="memberships")
    library = models.ForeignKey(Library, on_delete=models.CASCADE, related_name="memberships")
    role = models.CharField(max_length=10, choices=Role.choices, default=Role.LIBRARIAN)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["account", "library"], name="lending_one_role_per_library"),
            models.CheckConstraint(condition=Q(role__in=["librarian", "manager"]), name="lending_role_known"),
        ]

    def __str__(self) -> str:
        return f"{self.account_id} {self.role} of {self.library_id}"


class Token(Read):
    """A key to the API, of an account or of a device; only its digest is kept."""

    class Scope(models.TextChoices):
        """What a device may do. An account may do what its roles allow."""

        ARRIVE = "arrive", _("say who is here")
        LANE = "lane", _("call, hand over, undo")
        DESK = "desk", _("read orders, pack, take back")

    digest = models.CharField(max_length=64, unique=True)
    account = models.ForeignKey(Account, null=True, blank=True, on_delete=models.CASCADE, related_name="tokens")
    device = models.CharField(max_length=60, blank=True, help_text=_("name of the device, such as the plate camera"))
    library = models.ForeignKey(Library, null=True, blank=True, on_delete=models.CASCADE, related_name="tokens")
    scopes = ArrayField(models.CharField(max_length=20), default=list, blank=True)
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField()

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(account__isnull=False, device="") | (Q(account__isnull=True) & ~Q(device="")),
                name="lending_token_of_account_or_device",
            ),
            models.CheckConstraint(
                condition=Q(device="") | Q(library__isnull=False), name="lending_device_belongs_to_a_library"
            ),
            models.CheckConstraint(condition=Q(expires_at__gt=F("created_at")), name="lending_token_lives_a_while"),
            models.CheckConstraint(
                condition=Q(scopes__contained_by=["arrive", "lane", "desk"]), name="lending_token_scope_known"
            ),
        ]

    def __str__(self) -> str:
        return self.device or f"account {self.account_id}"


class ByDoor(models.TextChoices):
    """How somebody is told of their loans, if they want to be; nobody is called for that."""

    TEXT = "text", _("by text")
    MAIL = "mail", _("by mail")


class Household(models.Model):
    """Patrons who live together; quotas may count per household, and by consent they are served as one party."""

    key = models.CharField(max_length=40, unique=True)
    together = models.BooleanField(default=False, help_text=_("all agreed to be served as one party"))

    def __str__(self) -> str:
        return self.key


class Patron(Read):
    """Somebody who borrows. May have no account: the telephone and the desk are doors too."""

    class Need(models.TextChoices):
        """What to do at the car, never why."""

        WINDOW = "window", _("At the passenger's window")
        BOOT = "boot", _("Into the boot")
        BOARD = "board", _("In writing, on the show card")
        TIME = "time", _("With more time")
        CARRY = "carry", _("Carried to the car")

    account = models.OneToOneField(Account, null=True, blank=True, on_delete=models.SET_NULL, related_name="patron")
    card_number = models.CharField(max_length=20, unique=True, validators=[RegexValidator(CARD_NUMBER)])
    name = models.CharField(max_length=80)
    language = models.CharField(max_length=5, choices=Language.choices, default=Language.KO)
    household = models.ForeignKey(Household, null=True, blank=True, on_delete=models.SET_NULL, related_name="patrons")
    home = models.ForeignKey(Library, on_delete=models.PROTECT, related_name="patrons")
    accessible_place = models.BooleanField(default=False, help_text=_("leaves the car and needs an accessible place"))
    needs = ArrayField(
        models.CharField(max_length=10, choices=Need.choices),
        default=list,
        blank=True,
        help_text=_("what to do, never why"),
    )
    needs_note = models.CharField(max_length=200, blank=True, help_text=_("what to do, in words of the library"))
    blocked_until = models.DateField(null=True, blank=True)
    child_until = models.DateField(
        null=True, blank=True, help_text=_("the day of turning 14; until then a guardian agrees")
    )
    keeps_history = models.BooleanField(default=False, help_text=_("returned books stay in the patron's own list"))
    text_receipts = models.BooleanField(default=True, help_text=_("a text after a hand-over"))
    text_reminders = models.BooleanField(
        default=True, help_text=_("a text before books are due, and when they are late")
    )
    text_returns = models.BooleanField(default=False, help_text=_("a text after books came back"))
    receipts_by = models.CharField(max_length=4, choices=ByDoor.choices, default=ByDoor.TEXT)
    reminders_by = models.CharField(max_length=4, choices=ByDoor.choices, default=ByDoor.TEXT)
    returns_by = models.CharField(max_length=4, choices=ByDoor.choices, default=ByDoor.TEXT)

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(
                    receipts_by__in=["text", "mail"], reminders_by__in=["text", "mail"], returns_by__in=["text", "mail"]
                ),
                name="lending_told_of_loans_by_text_or_mail",
            ),
            models.CheckConstraint(condition=Q(card_number__regex=CARD_NUMBER), name="lending_card_number_form"),
            models.CheckConstraint(
                condition=Q(needs__contained_by=["window", "boot", "board", "time", "carry"]), name="lending_need_known"
            ),
        ]

    def __str__(self) -> str:
        return self.card_number

    @property
    def has_pin(self) -> bool:
        """Whether they can sign in with a PIN; without one they do by a code."""
        return self.account is not None and self.account.has_usable_password()

    @property
    def what_to_do(self) -> list[str]:
        """What to do at the car, each in the reader's language; the library's own words last."""
        known = [str(self.Need(need).label) for need in self.needs]
        return [*known, self.needs_note] if self.needs_note else known


class Contact(Read):
    """A number, whose it is, and what may be done with it. The collector of an order is a contact."""

    class Door(models.TextChoices):
        """How its owner hears first of what they have to know: that a bag is ready, moved, or closed away."""

        TEXT = "text", _("by text")
        MAIL = "mail", _("by mail")
        CALL = "call", _("by a call")

    patron = models.ForeignKey(Patron, null=True, blank=True, on_delete=models.CASCADE, related_name="contacts")
    name = models.CharField(max_length=80, help_text=_("of the person, if not the patron"), blank=True)
    number = models.CharField(max_length=16)
    mail = models.EmailField(blank=True, help_text=_("mails go there where the number takes no texts"))
    mail_confirmed_at = models.DateTimeField(
        null=True, blank=True, help_text=_("since then whoever reads the address has said that it is theirs")
    )
    told_by = models.CharField(max_length=4, choices=Door.choices, default=Door.TEXT)
    language = models.CharField(max_length=5, choices=Language.choices, default=Language.KO)
    may_text = models.BooleanField(default=True)
    may_call = models.BooleanField(default=True)
    own = models.BooleanField(default=True, help_text=_("the patron's own number"))
    kept = models.BooleanField(default=False, help_text=_("somebody who collects, also the next time"))
    position = models.PositiveSmallIntegerField(default=0)

    class Meta:
        ordering: ClassVar = ["position", "id"]
        constraints: ClassVar = [
            models.CheckConstraint(condition=Q(number__regex=E164), name="lending_contact_number_e164"),
            models.UniqueConstraint(fields=["patron", "number", "name"], name="lending_contact_listed_once"),
            models.CheckConstraint(condition=Q(mail="") | Q(own=True), name="lending_contact_mail_is_the_patrons"),
            models.CheckConstraint(
                condition=Q(mail_confirmed_at__isnull=True) | ~Q(mail=""),
                name="lending_contact_confirmed_an_address",
            ),
            models.CheckConstraint(
                condition=Q(told_by="text") | Q(told_by__in=["mail", "call"], own=True),
                name="lending_contact_told_by_a_door",
            ),
        ]
        indexes: ClassVar = [models.Index(fields=["number"], name="lending_contact_by_number")]

    def __str__(self) -> str:
        return f"contact {self.pk}"

    @property
    def mails_to(self) -> str:
        """The address that mails may go to: one that was confirmed; "" for none."""
        return self.mail if self.mail_confirmed_at is not None else ""

    @property
    def reachable(self) -> bool:
        """Whether any way is open to tell them something."""
        return self.may_text or self.may_call or bool(self.mails_to)
