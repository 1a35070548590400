"""Somebody rings one of our numbers. What that means is the upper room's to say (settings.CALL_ANSWER), in a sentence
or a short menu; the telephone systems that carry it are in call_webhooks.py.

A call is a talk in steps: each answer says what to speak, and what the keys pressed next will mean. Nothing is kept of
it here but what its verbs do; the number of whoever rings is not stored.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, cast

from django.conf import settings
from django.utils import translation
from django.utils.module_loading import import_string
from django.utils.translation import gettext as _

from core.actor import CARRIER
from notifications import calls, phone, queries
from notifications.inbound import is_withheld
from notifications.models import Sender

BOTH: Final = ("ko", "en")
"""The languages spoken to somebody of whom we know nothing."""
CALL_BACK: Final = timedelta(hours=12)
"""So long a wish to be called back is of use."""


@dataclass(frozen=True, slots=True)
class Ringing:
    """A call, at its beginning or after keys were pressed.

    `from_number` is "" for withheld numbers and relays. `step` is what the last answer said the keys would mean, ""
    at the beginning; `keys` are the digits pressed, "" for none.
    """

    call_id: str
    sender_key: str
    from_number: str
    step: str = ""
    keys: str = ""


@dataclass(frozen=True, slots=True)
class Said:
    """One thing to speak, in a language (`ko` or `en`)."""

    language: str
    text: str


@dataclass(frozen=True, slots=True)
class Talk:
    """What is spoken, and how the call goes on.

    With `keys` so many digits are waited for and come back with `step`. `person`: the caller is passed on to the
    library's people. With neither the call ends.
    """

    said: tuple[Said, ...]
    step: str = ""
    keys: int = 0
    person: bool = False


@dataclass(frozen=True, slots=True)
class Heard:
    """A `Talk` as a telephone system carries it out; `dial` (E.164) is who rings next, "" for nobody."""

    said: tuple[Said, ...]
    step: str = ""
    keys: int = 0
    dial: str = ""


def talk(
    *, call_id: str, from_number: str, to_number: str, now: datetime, step: str = "", keys: str = ""
) -> Heard | None:
    """Answer a call to one of our numbers; None when the number is none of ours.

    Who wants a person is passed on to the sender's desk; where it has none, put on the call list to be called back;
    where the number is withheld too, told which number is answered by people.
    """
    sender = queries.sender_of(to_number)
    if sender is None:
        return None
    nobody = is_withheld(from_number) or phone.is_relay(from_number, settings.RELAY_NUMBERS)
    ringing = Ringing(call_id, sender.key, "" if nobody else from_number, step, keys)
    answer = cast("Callable[..., Talk]", import_string(settings.CALL_ANSWER))(ringing=ringing, now=now)
    if not answer.person:
        return Heard(answer.said, answer.step, answer.keys)
    return _to_person(ringing, sender, answer, now=now)


def _to_person(ringing: Ringing, sender: Sender, answer: Talk, *, now: datetime) -> Heard:
    languages = tuple(dict.fromkeys(said.language for said in answer.said)) or BOTH
    if sender.desk:
        return Heard((*answer.said, *in_each(languages, _one_moment)), dial=sender.desk)
    if ringing.from_number:
        calls.add(
            sender=sender,
            number=ringing.from_number,
            language=languages[0],
            say=in_each(languages[:1], lambda: _("You asked us to call you back."))[0].text,
            about="",
            dedup_key=f"call back:{ringing.call_id}"[:120],
            now=now,
            due_at=now,
            not_after=now + CALL_BACK,
            by=CARRIER,
        )
        return Heard((*answer.said, *in_each(languages, _called_back)))
    return Heard((*answer.said, *in_each(languages, lambda: _("Please call %(phone)s.") % {"phone": sender.phone})))


def in_each(languages: tuple[str, ...], say: Callable[[], str]) -> tuple[Said, ...]:
    """A sentence in each of some languages."""
    spoken = []
    for language in languages:
        with translation.override(language):
            spoken.append(Said(language, say()))
    return tuple(spoken)


def _one_moment() -> str:
    return _("One moment please, a librarian will answer.")


def _called_back() -> str:
    return _("A librarian will call you back soon. Thank you.")
