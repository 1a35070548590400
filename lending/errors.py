"""What this room refuses, each with its code, its sentence and a way on."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _

from core.refusal import NotFound, Refusal


class WrongCredentials(Refusal):
    """Unknown card or name, wrong PIN or password: nobody learns which of them it was."""

    code = "wrong_credentials"
    status = 401
    sentence = _("The number and the PIN do not fit together. Please check both, or ask at the desk.")


class UnknownCard(NotFound):
    code = "unknown_card"
    sentence = _("No patron has this card number. Please check the number on the card.")


class UnknownTitle(NotFound):
    code = "unknown_title"
    sentence = _("We have no such title. Please search again.")


class UnknownBarcode(NotFound):
    """Facts: barcode."""

    code = "unknown_barcode"
    sentence = _("The barcode %(barcode)s is not in the catalogue. Please scan it again, or search by title.")


class AlreadyReserved(Refusal):
    """The same title, or the same volume of it, is asked for twice. Facts: title, volume, reservation (or null)."""

    code = "already_reserved"
    sentence = _("This title is asked for already. You find it under “my orders”.")


class QuotaExceeded(Refusal):
    """More volumes than the programme allows in a week. Facts: allowed, taken, asked, per, again_on (date or null)."""

    code = "quota_exceeded"
    sentence = _("%(allowed)s volumes a week are possible; %(taken)s are taken and %(asked)s more were asked for.")


class NoCopies(Refusal):
    """No library of the programme holds a copy that can be lent. Facts: title."""

    code = "no_copies"
    sentence = _("The libraries here hold no copy of this title that can be lent. Please choose another one.")


class WhichVolume(Refusal):
    """The title comes in volumes and none of them, or one that is not held, was named. Facts: title, volumes."""

    code = "which_volume"
    sentence = _("This title comes in several volumes. Please say which one you would like.")


class InAnOrder(Refusal):
    """The book is in a bag; only the order can let go of it. Facts: reservation."""

    code = "in_an_order"
    sentence = _("This book is already being packed. Please cancel it in the order itself.")


class Blocked(Refusal):
    """Facts: until (date)."""

    code = "patron_blocked"
    sentence = _("This card is blocked until %(until)s. Please call the library if you think this is a mistake.")


class PointClosed(Refusal):
    """Facts: point."""

    code = "pickup_point_closed"
    sentence = _("This pickup place takes no orders at the moment. Please choose another place.")


class CopyOnLoan(Refusal):
    """Facts: barcode, due_on (date or null)."""

    code = "copy_on_loan"
    sentence = _("The copy %(barcode)s is on loan already. If it lies before you, take it back first.")


class CopyNotHere(Refusal):
    """Our records say that the copy is somewhere it cannot be lent from. Facts: barcode, state, where (in words)."""

    code = "copy_not_here"
    sentence = _("The copy %(barcode)s is recorded as “%(where)s”. If it lies before you, record it as found first.")


class NotOnLoan(Refusal):
    """Nothing to take back. Facts: barcode, returned_at and by (of the last return, or null)."""

    code = "not_on_loan"
    sentence = _("The copy %(barcode)s is not on loan, or was returned already. It can go back to the shelf.")


class AlreadyPromised(Refusal):
    """The copy is set aside for somebody else. Facts: barcode, reservation."""

    code = "already_promised"
    sentence = _("The copy %(barcode)s is set aside for somebody else by now.")


class KeptElsewhere(Refusal):
    """The library's loans are kept by another system. Facts: library."""

    code = "loans_kept_elsewhere"
    sentence = _("This library keeps its loans in another system. Please lend and take back there.")


class NotRenewable(Refusal):
    """Facts: why, one of `wanted` (somebody waits), `used_up`, `overdue`."""

    code = "not_renewable"
    sentence = _("This loan cannot be renewed. Please bring the book back by its due date, or ask at the desk.")


class BarcodeTaken(Refusal):
    """Facts: barcode."""

    code = "barcode_taken"
    sentence = _("The barcode %(barcode)s belongs to another copy already.")


class CardTaken(Refusal):
    """Facts: card_number."""

    code = "card_taken"
    sentence = _("The card number %(card_number)s belongs to another patron already.")
