"""Libraries and their rules, people, books, who waits for what, what is lent."""

from lending.models.books import Copy, Loan, Reservation, Title
from lending.models.libraries import ClosedDay, Library, Named, PickupPoint, Programme
from lending.models.people import Account, Contact, Household, Language, Membership, Patron, Token

__all__ = [
    "Account",
    "ClosedDay",
    "Contact",
    "Copy",
    "Household",
    "Language",
    "Library",
    "Loan",
    "Membership",
    "Named",
    "Patron",
    "PickupPoint",
    "Programme",
    "Reservation",
    "Title",
    "Token",
]
