"""What this room refuses, and the way on."""

from __future__ import annotations

from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from django.utils.translation import gettext_lazy as _

from core.refusal import BadInput, Forbidden, NotFound, Refusal
from lending.errors import PointNotFound as PointNotFound  # noqa: PLC0414 (points are lending's; for those who ask here)

if TYPE_CHECKING:
    from datetime import date

    from pickup.models import Order


class OrderNotFound(NotFound):
    code = "unknown_order"
    sentence = _("We could not find this order. Please check the number, or call the library.")


class VisitNotFound(NotFound):
    code = "unknown_visit"
    sentence = _("We could not find this visit. Please look at the list again.")


class NotInOrder(Refusal):
    """The scanned copy is not to be packed here; `belongs_to` is the number of the bag it is meant for, or null."""

    code = "not_in_this_order"
    sentence = _("The book %(barcode)s is not in this order. Please put it aside and scan the next one.")


class AlreadyPacked(Refusal):
    code = "already_packed"
    sentence = _("The book %(barcode)s is already in this bag.")


class NoNumberFree(Refusal):
    code = "no_number_free"
    sentence = _("All order numbers are in use. Please call the library: bags have to be unpacked first.")


class SlotUnavailable(Refusal):
    """`why` is full, closed, past, cutoff, travels (before the books can be here), other_point or no_accessible_place;
    `next` lists free slots of the point.
    """

    code = "slot_unavailable"
    sentence = _("This time cannot be booked any more. Please choose another one.")


class NoSuchSlot(NotFound):
    code = "unknown_slot"
    sentence = _("We could not find this time. Please choose one from the list.")


class SlotNotChosenHere(BadInput):
    """The point promises no times: people come when they like."""

    code = "no_times_here"
    sentence = _("This pickup place needs no time. Come whenever it is open.")


class NoAppointment(Refusal):
    code = "no_appointment"
    sentence = _("There is no time to confirm for this order.")


class NothingReady(Refusal):
    code = "nothing_ready"
    sentence = _("Nothing is ready for this visit yet.")


class BagReady(Refusal):
    code = "bag_ready"
    sentence = _("A bag has become ready for them. Please look again, and hand it over.")


class NoOpenOrder(Refusal):
    code = "no_open_order"
    sentence = _("There is no order to collect here.")


class BooksTravel(Refusal):
    """`expected_on` is the day on which the first of them are expected."""

    code = "books_travel"
    sentence = _("Your books come from another library and are expected by %(expected_on)s.")

    def __init__(self, day: date) -> None:
        super().__init__(expected_on=day.isoformat())
        self.day = day


class ClosedNow(Refusal):
    """Nobody stands at the window for long yet; `next_open` (UTC) is when somebody does, null when none is planned."""

    code = "closed_now"
    sentence = _("It is closed now.")


class NothingToWaitFor(Refusal):
    code = "nothing_to_wait_for"
    sentence = _("The bag is packed already, or no book is still to come for it.")


class HereAlready(Refusal):
    """Somebody has come for this bag and waits at its place. Facts: order."""

    code = "here_already"
    sentence = _("You are here already. Please ask the staff at the window.")


class CalledAlready(Refusal):
    """Who was called is served or not by the staff. Facts: visit."""

    code = "called_already"
    sentence = _("You have been called already. Please tell the staff, or call the library.")


class WaitsForAll(Refusal):
    """`count` books are still to come; the bag waits until `waits_until` (UTC), unless somebody says otherwise."""

    code = "waits_for_all"
    sentence = _("Its people wait until all books are together. %(count)s are still to come.")


class StillToPack(Refusal):
    """`barcodes` are the copies that nobody has packed or reported missing."""

    code = "still_to_pack"
    sentence = _("Some books are not in the bag yet: %(barcodes)s.")


class NothingInBag(Refusal):
    code = "nothing_in_bag"
    sentence = _("There is no book in this bag.")


class CameBackSince(Refusal):
    """Nothing of a hand-over can be undone any more: each of its books was returned. `number` is that of the bag."""

    code = "came_back_since"
    sentence = _("All books of bag %(number)s have come back since: there is nothing left to undo.")


class AlreadyHandedOver(Refusal):
    """`at` is when, local time."""

    code = "already_handed_over"
    sentence = _("This order was already handed over at %(at)s.")

    @classmethod
    def of(cls, order: Order) -> AlreadyHandedOver:
        """The refusal for a bag that has been given."""
        at = order.handed_over_at
        local = at.astimezone(ZoneInfo(order.library.zone)) if at else None
        return cls(number=order.shown, at=f"{local:%H:%M}" if local else "")


class UndoTooLate(Refusal):
    code = "undo_too_late"
    sentence = _("This can be undone for ten minutes only. Please take the books back as a return.")


class NewerOrder(Refusal):
    code = "newer_order"
    sentence = _("This cannot be undone: the same person already has a newer order or is here again.")


class LaneClosed(Refusal):
    code = "lane_closed"
    sentence = _("This lane is closed. Please open it first.")


class LaneBusy(Refusal):
    """`visit` is the one being served there."""

    code = "lane_busy"
    sentence = _("Somebody is still being served in this lane.")


class NobodyWaiting(Refusal):
    code = "nobody_waiting"
    sentence = _("Nobody is waiting whose bag is ready.")


class GoesFirst(Refusal):
    code = "goes_first"
    sentence = _("This car goes before all others, since its hand-over was undone. It cannot be moved.")


class QueueChanged(Refusal):
    """`visit` is the neighbour that is not in the line any more."""

    code = "queue_changed"
    sentence = _("The line has changed meanwhile. Please look again.")


class LinkOver(NotFound):
    code = "link_over"
    sentence = _("This address is no longer valid. Please call the library if you need help.")


class NotYours(Forbidden):
    code = "not_your_order"
    sentence = _("This is somebody else's order.")


class LaneNotFound(NotFound):
    code = "unknown_lane"
    sentence = _("We could not find this lane. Please look at the list again.")


class AtAnotherPoint(Refusal):
    """`point` names the place where the bag waits, `pickup_point` is its id, `library` the code of its library."""

    code = "at_another_point"
    sentence = _("This bag waits at another pickup place: %(point)s.")

    @classmethod
    def of(cls, order: Order) -> AtAnotherPoint:
        """The refusal for an open bag that was asked for where it is not."""
        return cls(point=order.point.with_library, pickup_point=order.point_id, library=order.library.code)


class NoBagChosen(BadInput):
    code = "no_bag_chosen"
    sentence = _("No bag is ticked. Please tick those that go out, or leave the car in the line.")


class BelongsInBag(Refusal):
    """What lies on the returns desk is packed, or to be fetched, for somebody. Facts: barcode, number, place or ""."""

    code = "belongs_in_bag"
    sentence = _("The copy %(barcode)s belongs into the bag %(number)s. Please do not put it onto the shelf.")
    placed = _(
        "The copy %(barcode)s belongs into the bag %(number)s, place %(place)s. Please do not put it onto the shelf."
    )

    def __str__(self) -> str:
        return str(self.placed if self.facts.get("place") else self.sentence) % self.facts


class NoSuchPlace(BadInput):
    code = "unknown_place"
    sentence = _("The pickup shelf has no place %(place)s. Please choose one from the list.")


class PlaceTaken(Refusal):
    code = "place_taken"
    sentence = _("Another bag stands at %(place)s. Please choose another place.")


class WindowNotFound(NotFound):
    code = "unknown_window"
    sentence = _("We could not find these pickup times. Please look at the list again.")


class WindowsOverlap(BadInput):
    """`window` is the id of the one that lies across, `opens` and `closes` its hours."""

    code = "windows_overlap"
    sentence = _("This lies across the times %(opens)s–%(closes)s of the same day. Please change those, or these.")


class RehearsalNotFound(NotFound):
    code = "unknown_rehearsal"
    sentence = _("We could not find this rehearsal. Please look at the page again.")


class RehearsalRunning(Refusal):
    """Somebody has just started one. Facts: library."""

    code = "rehearsal_running"
    sentence = _("A colleague has just started a rehearsal here. Please look at the page again.")
