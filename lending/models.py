"""Libraries and their rules, people, books, who waits for what, what is lent."""

from __future__ import annotations

from typing import ClassVar

from django.contrib.auth.models import AbstractUser
from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import GinIndex
from django.contrib.postgres.search import SearchVectorField
from django.core.validators import MinValueValidator, RegexValidator
from django.db import models
from django.db.models import F, Q
from django.utils.translation import get_language
from django.utils.translation import gettext_lazy as _

from core.moves import Moving, state_law
from lending.states import (
    COPY_MOVES,
    HOLDING,
    LOAN_MOVES,
    OPEN,
    RESERVATION_MOVES,
    CopyState,
    LoanState,
    ReservationState,
)

E164 = r"^\+[1-9][0-9]{6,14}$"
CARD_NUMBER = r"^[0-9A-Z-]{4,20}$"


class Language(models.TextChoices):
    KO = "ko", "한국어"
    EN = "en", "English"


class Account(AbstractUser):
    """Somebody who signs in: staff by name and password, a patron by card number and PIN."""

    language = models.CharField(max_length=5, choices=Language.choices, default=Language.KO)
    email = models.EmailField(blank=True)


class Named(models.Model):
    """A name in both languages."""

    name_ko = models.CharField(max_length=60)
    name_en = models.CharField(max_length=80)

    class Meta:
        abstract = True

    def __str__(self) -> str:
        return self.name_in(get_language() or "ko")

    def name_in(self, language: str) -> str:
        """The Korean name for readers of Korean, else the English one."""
        return self.name_ko if language.startswith("ko") else self.name_en


class Programme(Named):
    """Lending rules that several libraries share; counts run over the programme."""

    class Per(models.TextChoices):
        HOUSEHOLD = "household", _("per household")
        PATRON = "patron", _("per person")

    class Week(models.TextChoices):
        CALENDAR = "calendar", _("calendar week, from Monday")
        ROLLING = "rolling", _("any seven days")

    key = models.SlugField(max_length=40, unique=True)
    volumes = models.PositiveSmallIntegerField(validators=[MinValueValidator(1)], help_text=_("volumes in a week"))
    volumes_per = models.CharField(max_length=10, choices=Per.choices, default=Per.PATRON)
    week = models.CharField(max_length=10, choices=Week.choices, default=Week.CALENDAR)
    loan_days = models.PositiveSmallIntegerField(default=14, validators=[MinValueValidator(1)])
    first_day_counts = models.BooleanField(default=False)
    renewals = models.PositiveSmallIntegerField(default=1)

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(condition=Q(volumes__gte=1), name="lending_programme_lends_something"),
            models.CheckConstraint(condition=Q(loan_days__gte=1), name="lending_programme_lends_for_a_day"),
            models.CheckConstraint(
                condition=Q(volumes_per__in=["household", "patron"], week__in=["calendar", "rolling"]),
                name="lending_programme_rule_known",
            ),
        ]


class Library(Named):
    """A branch: its zone, its telephone, its closed days, its rules."""

    class Circulation(models.TextChoices):
        OWN = "own", _("loans are kept here")
        BESIDE = "beside", _("another system keeps the loans")

    code = models.SlugField(max_length=40, unique=True)
    programme = models.ForeignKey(Programme, on_delete=models.PROTECT, related_name="libraries")
    sender = models.SlugField(max_length=40, help_text=_("key of the sender that texts come from"))
    phone = models.CharField(max_length=20)
    region = models.CharField(max_length=2, default="KR", help_text=_("country in which local numbers are read"))
    zone = models.CharField(max_length=40, default="Asia/Seoul")
    circulation = models.CharField(max_length=10, choices=Circulation.choices, default=Circulation.OWN)
    weekly_closed = ArrayField(
        models.PositiveSmallIntegerField(), default=list, blank=True, help_text=_("weekdays, Monday is 0")
    )
    rooms = ArrayField(
        models.CharField(max_length=20), default=list, blank=True, help_text=_("order of the rooms on a pull list")
    )
    surge = models.BooleanField(default=False, help_text=_("building closed, lending goes on"))
    position = models.PositiveSmallIntegerField(default=0)

    class Meta:
        ordering: ClassVar = ["position", "id"]
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(circulation__in=["own", "beside"]), name="lending_library_circulation_known"
            ),
            models.CheckConstraint(
                condition=Q(weekly_closed__contained_by=[0, 1, 2, 3, 4, 5, 6]), name="lending_library_weekdays_known"
            ),
        ]


class ClosedDay(models.Model):
    """One day on which a library is closed though its week says open."""

    library = models.ForeignKey(Library, on_delete=models.CASCADE, related_name="closed_days")
    day = models.DateField()
    reason = models.CharField(max_length=80, blank=True)

    class Meta:
        constraints: ClassVar = [models.UniqueConstraint(fields=["library", "day"], name="lending_day_closed_once")]

    def __str__(self) -> str:
        return f"{self.library_id} {self.day}"


class PickupPoint(Named):
    """Where bags are handed over. Every library system keeps pickup places; windows and lanes are pickup's."""

    class Layout(models.TextChoices):
        FILE = "file", _("single-file lane")
        BAYS = "bays", _("numbered bays")
        DOOR = "door", _("front door, on foot")
        LOCKER = "locker", _("locker")

    library = models.ForeignKey(Library, on_delete=models.PROTECT, related_name="pickup_points")
    code = models.SlugField(max_length=40, unique=True)
    layout = models.CharField(max_length=10, choices=Layout.choices)
    place_ko = models.CharField(max_length=120, blank=True, help_text=_("how to find it"))
    place_en = models.CharField(max_length=160, blank=True)
    open = models.BooleanField(default=True)
    position = models.PositiveSmallIntegerField(default=0)

    class Meta:
        ordering: ClassVar = ["position", "id"]
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(layout__in=["file", "bays", "door", "locker"]), name="lending_point_layout_known"
            ),
        ]

    def place_in(self, language: str) -> str:
        """How to find it, in the reader's language."""
        return self.place_ko if language.startswith("ko") else self.place_en


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


class Token(models.Model):
    """A key to the API, of an account or of a device; only its digest is kept."""

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
        ]

    def __str__(self) -> str:
        return self.device or f"account {self.account_id}"


class Household(models.Model):
    """Patrons who live together; quotas may count per household, and by consent they are served as one party."""

    key = models.CharField(max_length=40, unique=True)
    together = models.BooleanField(default=False, help_text=_("all agreed to be served as one party"))

    def __str__(self) -> str:
        return self.key


class Patron(models.Model):
    """Somebody who borrows. May have no account: the telephone and the desk are doors too."""

    account = models.OneToOneField(Account, null=True, blank=True, on_delete=models.SET_NULL, related_name="patron")
    card_number = models.CharField(max_length=20, unique=True, validators=[RegexValidator(CARD_NUMBER)])
    name = models.CharField(max_length=80)
    language = models.CharField(max_length=5, choices=Language.choices, default=Language.KO)
    household = models.ForeignKey(Household, null=True, blank=True, on_delete=models.SET_NULL, related_name="patrons")
    home = models.ForeignKey(Library, on_delete=models.PROTECT, related_name="patrons")
    accessible_place = models.BooleanField(default=False, help_text=_("leaves the car and needs an accessible place"))
    needs = models.CharField(max_length=200, blank=True, help_text=_("what to do, never why"))
    blocked_until = models.DateField(null=True, blank=True)

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(condition=Q(card_number__regex=CARD_NUMBER), name="lending_card_number_form"),
        ]

    def __str__(self) -> str:
        return self.card_number


class Contact(models.Model):
    """A number, whose it is, and what may be done with it. The collector of an order is a contact."""

    patron = models.ForeignKey(Patron, null=True, blank=True, on_delete=models.CASCADE, related_name="contacts")
    name = models.CharField(max_length=80, help_text=_("of the person, if not the patron"), blank=True)
    number = models.CharField(max_length=16)
    language = models.CharField(max_length=5, choices=Language.choices, default=Language.KO)
    may_text = models.BooleanField(default=True)
    may_call = models.BooleanField(default=True)
    own = models.BooleanField(default=True, help_text=_("the patron's own number"))
    position = models.PositiveSmallIntegerField(default=0)

    class Meta:
        ordering: ClassVar = ["position", "id"]
        constraints: ClassVar = [
            models.CheckConstraint(condition=Q(number__regex=E164), name="lending_contact_number_e164"),
            models.UniqueConstraint(fields=["patron", "number", "name"], name="lending_contact_listed_once"),
        ]
        indexes: ClassVar = [models.Index(fields=["number"], name="lending_contact_by_number")]

    def __str__(self) -> str:
        return f"contact {self.pk}"


class Title(models.Model):
    """The bibliographic record."""

    source = models.CharField(max_length=20, help_text=_("where the record comes from"))
    control_number = models.CharField(max_length=40)
    title = models.CharField(max_length=1000)
    title_romanised = models.CharField(max_length=1000, blank=True)
    author = models.CharField(max_length=500, blank=True)
    publisher = models.CharField(max_length=300, blank=True)
    year = models.SmallIntegerField(null=True, blank=True)
    isbn = models.CharField(max_length=13, blank=True)
    language = models.CharField(max_length=3, blank=True)
    classification = models.CharField(max_length=30, blank=True)
    searchable = models.TextField(help_text=_("normalised title, author and ISBN; see lending/grams.py"))
    grams = SearchVectorField(help_text=_("one- and two-letter grams of `searchable`"))

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["source", "control_number"], name="lending_title_recorded_once"),
        ]
        indexes: ClassVar = [
            GinIndex(fields=["grams"], name="lending_title_grams"),
            models.Index(fields=["isbn"], name="lending_title_isbn"),
        ]

    def __str__(self) -> str:
        return self.title


class Copy(Moving):
    """One physical volume with a barcode: whose it is, where it is, in what state."""

    MOVES = COPY_MOVES
    FIRST = CopyState.SHELF

    title = models.ForeignKey(Title, on_delete=models.PROTECT, related_name="copies")
    library = models.ForeignKey(Library, on_delete=models.PROTECT, related_name="copies", help_text=_("whose it is"))
    at_library = models.ForeignKey(Library, on_delete=models.PROTECT, related_name="copies_here")
    barcode = models.CharField(max_length=30, unique=True)
    volume = models.CharField(max_length=20, blank=True)
    call_number = models.CharField(max_length=80, blank=True)
    shelf_key = models.CharField(max_length=200, blank=True, help_text=_("sorts in shelf order"))

    class Meta:
        verbose_name_plural = "copies"
        constraints: ClassVar = [state_law("lending_copy_state_known", COPY_MOVES)]
        indexes: ClassVar = [
            models.Index(fields=["title", "volume", "at_library", "state"], name="lending_copy_to_hand"),
            models.Index(fields=["at_library", "state", "shelf_key"], name="lending_copy_in_shelf_order"),
        ]

    def __str__(self) -> str:
        return self.barcode


class Reservation(Moving):
    """One patron wants one title, or one volume of it, at one pickup point."""

    MOVES = RESERVATION_MOVES
    FIRST = ReservationState.WAITING

    patron = models.ForeignKey(Patron, null=True, on_delete=models.SET_NULL, related_name="reservations")
    title = models.ForeignKey(Title, on_delete=models.PROTECT, related_name="reservations")
    volume = models.CharField(max_length=20, blank=True)
    copy = models.ForeignKey(Copy, null=True, blank=True, on_delete=models.PROTECT, related_name="reservations")
    pickup_point = models.ForeignKey(PickupPoint, on_delete=models.PROTECT, related_name="reservations")
    programme = models.ForeignKey(Programme, on_delete=models.PROTECT, related_name="reservations")
    request = models.UUIDField(help_text=_("the one asking that it was part of"))
    collector = models.ForeignKey(
        Contact, null=True, blank=True, on_delete=models.SET_NULL, related_name="reservations"
    )
    placed_at = models.DateTimeField()
    placed_on = models.DateField(help_text=_("local day; weeks are counted by it"))
    channel = models.CharField(max_length=10)

    class Meta:
        constraints: ClassVar = [
            state_law("lending_reservation_state_known", RESERVATION_MOVES),
            models.UniqueConstraint(
                fields=["patron", "title", "volume"],
                condition=Q(state__in=OPEN),
                name="lending_title_reserved_once_per_patron",
            ),
            models.UniqueConstraint(
                fields=["copy"], condition=Q(state__in=HOLDING), name="lending_copy_set_aside_once"
            ),
            models.CheckConstraint(
                condition=~Q(state__in=HOLDING) | Q(copy__isnull=False), name="lending_held_reservation_has_copy"
            ),
            models.CheckConstraint(
                condition=~Q(state__in=["waiting", "suspended"]) | Q(copy__isnull=True),
                name="lending_waiting_reservation_has_no_copy",
            ),
            models.CheckConstraint(
                condition=~Q(state__in=OPEN) | Q(patron__isnull=False), name="lending_open_reservation_has_patron"
            ),
        ]
        indexes: ClassVar = [
            models.Index(
                fields=["title", "placed_at", "id"], condition=Q(state="waiting"), name="lending_reservation_queue"
            ),
            models.Index(fields=["patron", "placed_on"], name="lending_reservation_quota"),
            models.Index(fields=["id"], condition=Q(state="allocated"), name="lending_reservation_to_bag"),
        ]

    def __str__(self) -> str:
        return f"reservation {self.pk} ({self.state})"


class Loan(Moving):
    """A copy lent to a patron until a local day."""

    MOVES = LOAN_MOVES
    FIRST = LoanState.OUT

    copy = models.ForeignKey(Copy, on_delete=models.PROTECT, related_name="loans")
    patron = models.ForeignKey(Patron, null=True, on_delete=models.SET_NULL, related_name="loans")
    library = models.ForeignKey(Library, on_delete=models.PROTECT, related_name="loans", help_text=_("lent by"))
    programme = models.ForeignKey(Programme, on_delete=models.PROTECT, related_name="loans")
    reservation = models.ForeignKey(Reservation, null=True, blank=True, on_delete=models.PROTECT, related_name="loans")
    lent_at = models.DateTimeField()
    due_on = models.DateField()
    renewals = models.PositiveSmallIntegerField(default=0)
    returned_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints: ClassVar = [
            state_law("lending_loan_state_known", LOAN_MOVES),
            models.UniqueConstraint(fields=["copy"], condition=Q(state=LoanState.OUT), name="lending_copy_lent_once"),
            models.CheckConstraint(
                condition=~Q(state=LoanState.OUT) | Q(patron__isnull=False), name="lending_open_loan_has_patron"
            ),
            models.CheckConstraint(
                condition=Q(state=LoanState.RETURNED, returned_at__isnull=False)
                | (~Q(state=LoanState.RETURNED) & Q(returned_at__isnull=True)),
                name="lending_returned_loan_has_its_time",
            ),
            models.CheckConstraint(
                condition=Q(returned_at__isnull=True) | Q(returned_at__gte=F("lent_at")),
                name="lending_lent_before_returned",
            ),
        ]
        indexes: ClassVar = [
            models.Index(fields=["patron"], condition=Q(state=LoanState.OUT), name="lending_loan_of_patron"),
        ]

    def __str__(self) -> str:
        return f"loan {self.pk} ({self.state})"
