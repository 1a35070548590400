"""Libraries and their rules, people, books, who waits for what, what is lent, here or elsewhere."""

from lending.models.books import Copy, Loan, Reservation, ShelfLook, Title
from lending.models.consents import Consent
from lending.models.libraries import NOTICE, NTH_WEEKDAYS, Library, PickupPoint, SpecialDay, SurgeChange
from lending.models.people import Account, ByDoor, Contact, Household, Language, Membership, Patron, Token
from lending.models.postings import ListedCopy, Posting
from lending.models.programmes import Allowance, Material, Named, Programme, ProgrammeChange
from lending.models.signing_in import (
    AccessReview,
    Guess,
    OneTimeCode,
    RecoveryCode,
    RememberedDevice,
    SecondFactor,
    Tablet,
)
from lending.models.standing import Forgiven, Grant, Pause, Strike
from lending.models.transfers import Transfer

__all__ = [
    "NOTICE",
    "NTH_WEEKDAYS",
    "AccessReview",
    "Account",
    "Allowance",
    "ByDoor",
    "Consent",
    "Contact",
    "Copy",
    "Forgiven",
    "Grant",
    "Guess",
    "Household",
    "Language",
    "Library",
    "ListedCopy",
    "Loan",
    "Material",
    "Membership",
    "Named",
    "OneTimeCode",
    "Patron",
    "Pause",
    "PickupPoint",
    "Posting",
    "Programme",
    "ProgrammeChange",
    "RecoveryCode",
    "RememberedDevice",
    "Reservation",
    "SecondFactor",
    "ShelfLook",
    "SpecialDay",
    "Strike",
    "SurgeChange",
    "Tablet",
    "Title",
    "Token",
    "Transfer",
]
