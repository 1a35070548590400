"""What was said about a thing, by text and telephone, what came back, and why something was not said yet; for people at
work.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Final

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from notifications import carrier_codes, outbox, queries, quiet
from notifications.models import Call, InboundMessage, Message
from notifications.states import MessageState

if TYPE_CHECKING:
    from django.utils.functional import _StrPromise

# Why a text was not sent, or not delivered. What is not here needs no word: the state says it.
REASONS: Final[dict[str, _StrPromise]] = {
    "too_often": gettext_lazy("The number was told often enough that day."),
    "budget": gettext_lazy("The texts of the day were used up."),
    "carrier_silent": gettext_lazy("The carrier does not answer."),
    "handed_over": gettext_lazy("The books were handed over meanwhile."),
    "lapsed": gettext_lazy("Nobody answered in time."),
    "lost": gettext_lazy("The carrier never took it."),
    "missed": gettext_lazy("The time was over."),
    "no_link": gettext_lazy("The order is over."),
    "opted_out": gettext_lazy("They have asked for no more texts."),
    "practice": gettext_lazy("Only a rehearsal."),
    "quiet": gettext_lazy("It would have come in the night."),
    "settled_by_staff": gettext_lazy("Somebody at the library has dealt with it."),
    "replaced": gettext_lazy("A newer text says it."),
    "time_changed": gettext_lazy("The time was changed."),
    "time_given_back": gettext_lazy("The time was given back."),
    "too_late": gettext_lazy("It came too late to be of use."),
    "tried_too_often": gettext_lazy("It was tried too often."),
}


@dataclass(frozen=True, slots=True)
class Entry:
    """One text, mail or call, or a text that `came` (`kind`): its row, the other's number, when it was written, what it
    says, its state and reason in words.

    `again_at` is when a waiting text goes, None for all else; `may_repeat` whether staff may send it once more.
    """

    row: Message | Call | InboundMessage
    kind: str
    number: str
    at: datetime
    body: str
    state: str
    why: str
    again_at: datetime | None
    may_repeat: bool


def about(things: Collection[str], *, now: datetime) -> list[Entry]:
    """Everything that was said about some things (`order:42`) and what was written back, newest first."""
    texts = list(queries.messages_about(things))
    last = {text.dedup_key: text.generation for text in texts}
    found = [_of_text(text, newest=text.generation == last[text.dedup_key], now=now) for text in texts]
    found += [
        Entry(
            call,
            "call",
            call.number,
            call.created_at,
            call.say,
            str(call.get_state_display()),
            "",
            None,
            may_repeat=False,
        )
        for call in queries.calls_about(things)
    ]
    found += [
        Entry(
            came,
            "came",
            came.from_number,
            came.received_at,
            came.body,
            str(came.get_state_display()),
            str(REASONS.get(came.why, "")),
            None,
            may_repeat=False,
        )
        for came in queries.inbound_about(things)
    ]
    return sorted(found, key=lambda entry: (entry.at, entry.row.pk), reverse=True)


def _of_text(text: Message, *, newest: bool, now: datetime) -> Entry:
    ended = text.state in {MessageState.ACCEPTED, MessageState.DELIVERED, MessageState.FAILED, MessageState.EXPIRED}
    return Entry(
        text,
        "mail" if text.mail else "text",
        text.to,
        text.created_at,
        text.body.replace("{link}", _("(address)")),
        str(text.get_state_display()),
        _why(text, now=now),
        text.not_before if text.state == MessageState.QUEUED and text.not_before > now else None,
        newest and ended and text.not_after > now,
    )


def _why(text: Message, *, now: datetime) -> str:
    """Why a text has not left, or what became of it."""
    if text.state == MessageState.QUEUED and text.not_before > now:
        if text.kind in quiet.WAITS and outbox.may_go(text.sender, text.kind, now) > now:
            return _("It waits for the morning.")
        if text.error_code:
            return carrier_codes.says(text.error_code) or _("The carrier was busy.")
        return _("It waits for its time.")
    said = carrier_codes.says(text.error_code) if text.error_code else ""
    return said or str(REASONS.get(text.why, ""))
