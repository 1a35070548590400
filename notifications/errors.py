"""What goes wrong between us and a carrier, sorted by what is certain: was it sent, and may it go again."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _

from core.refusal import NotFound, Refusal


class UnknownCall(NotFound):
    code = "unknown_call"
    sentence = _("We could not find this call. Please look at the list again.")


class UnknownInbound(NotFound):
    code = "unknown_inbound"
    sentence = _("We could not find this text. Please look at the inbox again.")


class UnknownSender(NotFound):
    """Facts: sender. The settings of a library name a sender that does not exist."""

    code = "unknown_sender"
    sentence = _("Texts cannot be sent: there is no sender “%(sender)s”. Please have the settings looked at.")


class UnknownMessage(NotFound):
    code = "unknown_message"
    sentence = _("We could not find this text. Please look at the list again.")


class TextNotRepeated(Refusal):
    """Facts: why, one of `waiting`, `over`, `replaced`, `opted_out`."""

    code = "text_not_repeated"
    sentence = _("This text is not sent again: it still waits, or what it says is not so any more. Please call.")


class UnknownText(NotFound):
    code = "unknown_text"
    sentence = _("There is no such text.")


class TextEmpty(Refusal):
    code = "text_empty"
    status = 400
    sentence = _("Please write something, or take the words that came with the service.")


class TextPlaceMissing(Refusal):
    """Facts: places, those that are missing; missing, the same as a sentence shows them."""

    code = "text_place_missing"
    status = 400
    sentence = _("This has to be in the text: %(missing)s. Please put it where it fits.")


class TextPlaceUnknown(Refusal):
    """Facts: places, what stands in braces and cannot be filled; allowed, what can be."""

    code = "text_place_unknown"
    status = 400
    sentence = _("This cannot be filled in: %(unknown)s. Please use only: %(known)s.")


class TextTooLong(Refusal):
    """Facts: length, most, in characters with every place filled."""

    code = "text_too_long"
    status = 400
    sentence = _("The text would have %(length)s characters; at most %(most)s can be sent. Please shorten it.")


class SenderNumberUnreadable(Refusal):
    """Facts: why, one of the codes of notifications/phone.py."""

    code = "sender_number_unreadable"
    status = 400
    sentence = _("This is not a telephone number. Please write it with its area code.")


class SenderNumberTaken(Refusal):
    code = "sender_number_taken"
    sentence = _("Another sender has this number. Please give each sender its own.")


class SenderRingsItself(Refusal):
    code = "sender_rings_itself"
    status = 400
    sentence = _("Callers would come back to the same number. Please name the telephone of the desk, or none.")


class CountryNotLookedUp(Refusal):
    """Facts: countries, those that are known."""

    code = "country_not_looked_up"
    status = 400
    sentence = _("Nobody has looked up what arrives in this country. Please choose from the list.")


class CurrencyUnknown(Refusal):
    code = "currency_unknown"
    status = 400
    sentence = _("Please name the currency by its three letters, such as KRW or USD.")


class CarrierError(Exception):
    """What a transport raises; `code` is the carrier's own error number, "" where it gave none."""

    def __init__(self, code: str = "", detail: str = "") -> None:
        super().__init__(f"{code} {detail}".strip())
        self.code = code


class NotSent(CarrierError):
    """It was surely not sent."""


class Unreachable(NotSent):
    """No text will ever reach this number from this sender: a landline, a wrong number, a country that is shut."""


class OptedOut(NotSent):
    """The person has told the carrier to stop."""


class Busy(NotSent):
    """Too much at once, or no connection was made: the same text may go later, after `retry_after` seconds if given."""

    def __init__(self, code: str = "", detail: str = "", *, retry_after: float | None = None) -> None:
        super().__init__(code, detail)
        self.retry_after = retry_after


class NoConnection(Busy):
    """The carrier could not be reached at all."""


class NotBegun(NotSent):
    """We did not even try: too little was left of the lease, or the breaker is open."""


class Stopped(NotSent):
    """The account itself is refused (wrong credentials, suspended): nothing can go until a person has looked."""


class InDoubt(CarrierError):
    """Nobody can say whether it was sent: no answer in time, a broken answer, or an error after the carrier had it."""
