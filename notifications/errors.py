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
