"""What this room refuses, each with its code, its sentence and a way on."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from django.utils.translation import gettext_lazy as _

from core.refusal import BadInput, NotFound, Refusal

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise


class WrongCredentials(Refusal):
    """Unknown card or name, wrong PIN or password: nobody learns which of them it was."""

    code = "wrong_credentials"
    status = 401
    sentence = _("The number and the PIN do not fit together. Please check both, or ask at the desk.")


class WrongPassword(WrongCredentials):
    """At the door of the staff."""

    sentence = _("The user name and the password do not fit together. Please check both, or ask your manager.")


class WrongStaffPin(WrongCredentials):
    """Of a colleague who takes over a shared tablet."""

    sentence = _("This is not the PIN of that name. Please try again, or sign in with user name and password.")


class WrongPin(WrongCredentials):
    """The PIN that somebody who is signed in is asked for once more."""

    sentence = _("This is not your PIN. If you forgot it, a code by text signs you in.")


class UnknownCard(NotFound):
    code = "unknown_card"
    sentence = _("No patron has this card number. Please check the number on the card.")


class GuardianNeeded(Refusal):
    """Somebody under 14 agrees through a guardian. Facts: until (date)."""

    code = "guardian_needed"
    status = 400
    sentence = _("Under 14 a guardian agrees. Please let the library enter it, with the guardian's name.")


class LastNumber(Refusal):
    """Nobody could be told any more."""

    code = "last_number"
    sentence = _("This is the only number we have of you. Please add the new one first.")


class NumberListed(Refusal):
    """The number is in the list already. Facts: none."""

    code = "number_listed"
    sentence = _("This number is in the list already.")


class MailUnreadable(Refusal):
    """The address for mails is none. Facts: none."""

    code = "mail_unreadable"
    status = 400
    sentence = _("This is no mail address. Please ask how it is spelt.")


class MailLinkOver(Refusal):
    """The address in the mail confirms nothing: wrong, too old, another address since, or said already."""

    code = "mail_link_over"
    status = 404
    sentence = _(
        "This link is over: it was used already, or the address was changed. In your settings you can have another one"
        " sent."
    )


class NoDoorLeft(Refusal):
    """Nobody could be told any more that a bag is ready, moved, or that the library is closed. Facts: none."""

    code = "no_door_left"
    sentence = _(
        "Then nothing could tell you that your books are ready. Please leave a way open: texts, calls, or a mail"
        " address that you have confirmed."
    )


class DoorShut(Refusal):
    """A way was chosen that is not open for this number. Facts: door."""

    code = "door_shut"
    sentence = _(
        "This way is not open yet. For mails, please confirm a mail address first; for calls, please allow calls."
    )


class NoHousehold(Refusal):
    """The patron lives with nobody that we know of."""

    code = "no_household"
    sentence = _("The library has no household on file for this card. Please ask at the desk.")


class UnknownTitle(NotFound):
    code = "unknown_title"
    sentence = _("We have no such title. Please search again.")


class UnknownBarcode(NotFound):
    """Facts: barcode."""

    code = "unknown_barcode"
    sentence = _("The barcode %(barcode)s is not in the catalogue. Please scan it again, or type the number below it.")


class LookedToday(Refusal):
    """A missing copy is looked for once a day. Facts: again_on."""

    code = "looked_today"
    sentence = _("Somebody has looked for it today already. Please look again on %(again_on)s.")


class LookAgain(Refusal):
    """A copy is given up after enough looks on different days. Facts: looks, needed, again_on."""

    code = "look_again"
    sentence = _(
        "It has been looked for %(looks)s of %(needed)s times. Please look once more before it counts as lost."
    )


class AlreadyReserved(Refusal):
    """The same title, or the same volume of it, is asked for twice. Facts: title, volume, reservation (or null)."""

    code = "already_reserved"
    sentence = _("You have requested this title already. You find it under “My orders”.")


class Later(Refusal):
    """Not now. The sentence goes on with `again` where a day is known (the fact again_on), with `fewer` where more are
    asked for than are ever allowed, else with `otherwise`.
    """

    again: ClassVar[StrOrPromise] = _("It will be possible again on %(again_on)s.")
    fewer: ClassVar[StrOrPromise] = _("So many at once are never possible: please ask for fewer.")
    otherwise: ClassVar[StrOrPromise] = fewer

    def __str__(self) -> str:
        if self.facts.get("again_on"):
            way_on = self.again
        else:
            way_on = self.fewer if self.facts.get("asked", 0) > self.facts["allowed"] else self.otherwise
        return f"{super().__str__()} {str(way_on) % self.said}"


class QuotaExceeded(Later):
    """More volumes than the programme allows in a week. Facts: allowed, taken, asked, per, again_on (date or null)."""

    code = "quota_exceeded"
    sentence = _("%(allowed)s volumes a week are possible; %(taken)s are taken and %(asked)s more were requested.")


class TooManyInOrder(Refusal):
    """Facts: allowed, asked."""

    code = "too_many_in_order"
    sentence = _("An order may have %(allowed)s volumes at most; %(asked)s were requested.")


class OrdersUsedUp(Refusal):
    """No more orders this week. Facts: allowed, taken, per, again_on (date)."""

    code = "orders_used_up"
    sentence = _(
        "%(allowed)s orders a week are possible, and %(taken)s are placed. The next is possible on %(again_on)s."
    )


class TooManyReserved(Later):
    """Facts: allowed, taken, asked."""

    code = "too_many_reserved"
    sentence = _(
        "%(allowed)s volumes may be on order at the same time; %(taken)s are, and %(asked)s more were asked for."
    )
    otherwise = _("As soon as one is collected or cancelled, the next can be ordered.")


class TooManyAtOnce(Later):
    """Volumes on order and at home together. Facts: allowed, taken, asked, again_on: the day on which so many are due
    that there is room, or null.
    """

    code = "too_many_at_once"
    sentence = _(
        "%(allowed)s volumes may be on order or at home at the same time; %(taken)s are, and %(asked)s more were asked "
        "for."
    )
    again = _("It will be possible again on %(again_on)s, when books are due, or as soon as you bring them back.")
    otherwise = _("As soon as enough are brought back or cancelled, the next can be ordered.")


class AllowanceInUse(Refusal):
    """A class that patrons are of is not removed. Facts: count."""

    code = "allowance_in_use"
    sentence = _("%(count)s patrons are of this class. Please withdraw it from them first.")


class DayFull(Refusal):
    """First come, first served. Facts: allowed, taken, again_on (date)."""

    code = "day_full"
    sentence = _("All %(allowed)s orders of today are taken. The next can be placed on %(again_on)s.")


class QueueFull(Later):
    """Facts: title, allowed, waiting, again_on: the day on which the next copy is due, or null."""

    code = "queue_full"
    sentence = _("%(waiting)s people wait for this title, and no more than %(allowed)s may.")
    again = _("The next copy is due on %(again_on)s. Please try again then.")
    otherwise = _("Please try again later.")


class NotThroughProgramme(Refusal):
    """It is lent, but not this way. Facts: title, kind (in words)."""

    code = "not_through_programme"
    sentence = _("“%(kind)s” is not lent through this service. You can borrow it inside the library.")


class NotAgainYet(Refusal):
    """The title was set aside for the patron and not collected. Facts: title, days, again_on (date)."""

    code = "not_again_yet"
    sentence = _("This title was not collected, and can be requested again after %(days)s days, from %(again_on)s.")


class Paused(Refusal):
    """A rule of the programme pauses this patron. Facts: why (strikes or overdue), count, until, again_on (dates)."""

    code = "paused"
    sentence = _("No orders are possible until %(until)s: %(reason)s")

    def __str__(self) -> str:
        return str(self.sentence) % {**self.said, "reason": str(REASONS[self.facts["why"]]) % self.said}


REASONS = {
    "strikes": _(
        "orders that were called off or not collected, or times that were missed: %(count)s. Please call the library if"
        " that was not your doing."
    ),
    "overdue": _("books came back %(count)s days late."),
}


class LoansOverdue(Refusal):
    """Facts: count, days (of the pause that would follow if all came back today)."""

    code = "loans_overdue"
    sentence = _(
        "Books at home are overdue: %(count)s. Please bring them back first. If they come back today, orders are"
        " possible again after a pause of %(days)s days; every day longer makes the pause longer."
    )


class ProgrammeClosed(Refusal):
    """The programme runs only while the building is closed. Facts: library."""

    code = "programme_closed"
    sentence = _("This service runs only while the building is closed. The library is open: please come in.")


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


class PointNotFound(NotFound):
    code = "unknown_pickup_point"
    sentence = _("We could not find this pickup place.")


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
    """Nothing to take back. Facts: barcode; of the last return returned_at, by and library (code), or null; in words
    at (local time) and where (the library), or empty. Only staff and their devices hear it.
    """

    code = "not_on_loan"
    sentence = _("The copy %(barcode)s is not on loan. It can go back to the shelf.")
    returned = _(
        "The copy %(barcode)s was returned already: %(where)s, %(at)s. If nobody waits for it, it can go to the shelf."
    )

    def __str__(self) -> str:
        return str(self.returned if self.facts.get("at") else self.sentence) % self.facts


class AlreadyPromised(Refusal):
    """The copy is set aside for somebody else. Facts: barcode, reservation."""

    code = "already_promised"
    sentence = _("The copy %(barcode)s is set aside for somebody else by now.")


class NothingToSend(Refusal):
    """No library waits for this copy from here, and it was not sent here. Facts: barcode, where (in words)."""

    code = "nothing_to_send"
    sentence = _("The copy %(barcode)s is not asked for by another library. It is recorded as “%(where)s”.")


class KeptElsewhere(Refusal):
    """The library's loans are kept by another system. Facts: library."""

    code = "loans_kept_elsewhere"
    sentence = _("Another system keeps the loans of this library. Please do this there.")


class NotRenewable(Refusal):
    """Facts: why, one of `wanted` (count people wait), `used_up` (count renewals are possible), `overdue` (count days),
    `in_bag` (lent when packed and not collected yet); due_on (date).
    """

    code = "not_renewable"

    def __str__(self) -> str:
        return str(NO_RENEWAL[self.facts["why"]]) % self.said


NO_RENEWAL = {
    "wanted": _("Somebody else waits for this book (in line: %(count)s). Please bring it back by %(due_on)s."),
    "used_up": _("This loan was renewed as often as it may be (%(count)s). Please bring it back by %(due_on)s."),
    "overdue": _(
        "This book was due on %(due_on)s (days over: %(count)s). It cannot be renewed now; please bring it back."
    ),
    "in_bag": _(
        "This book is still in your bag. The days of the loan are counted from the day on which you collect it."
    ),
}


class BarcodeTaken(Refusal):
    """Facts: barcode."""

    code = "barcode_taken"
    sentence = _("The barcode %(barcode)s belongs to another copy already.")


class CardTaken(Refusal):
    """Facts: card_number."""

    code = "card_taken"
    sentence = _("The card number %(card_number)s belongs to another patron already.")


class UnreadableTable(BadInput):
    """A file that is no table we can read. Facts: why, most (megabytes or rows, where there is a limit)."""

    code = "unreadable_table"

    def __str__(self) -> str:
        return str(UNREADABLE[self.facts["why"]]) % self.facts


UNREADABLE = {
    "too_large": _("The file is too large: at most %(most)s MB are read. Please save only the list of one day."),
    "too_many_rows": _("The file has too many rows: at most %(most)s are read. Please save only the list of one day."),
    "empty": _("The file is empty. Please save the list again."),
    "encoding": _("There is no such encoding. Please choose UTF-8, CP949 or UTF-16."),
    "no_table": _("This is not a table. Please save the list as CSV, TSV or XLSX, without a password."),
    "no_heading": _("No row has the headings that we know. Please choose another column map, or check the first rows."),
}


class NotBeside(Refusal):
    """Facts: library, its code."""

    code = "not_beside"
    sentence = _("This library keeps its loans here. Lists of a day are for libraries beside another system.")


class BagsLent(Refusal):
    """Books that are lent since they were packed would be lent in one system and come back in another. Facts: count."""

    code = "bags_lent_already"
    sentence = _(
        "%(count)s books in bags were lent when they were packed. Please hand these bags over or give them up first;"
        " then it can be changed who keeps the loans."
    )


class NotForTraining(Refusal):
    """Rehearsals touch no library that serves people. Facts: library, its code."""

    code = "not_a_training_library"
    sentence = _("This library is not for training. Rehearsals take place in a library that is marked for it.")
