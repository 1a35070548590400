"""API v1: what patrons see and settle about themselves.

Their standing, PIN, language, devices, numbers, consents, the list of returned books, texts about loans.
"""

from __future__ import annotations

from typing import Any

from django.http.response import HttpResponseBase
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.throttling import BaseThrottle

from core import clock
from core.actor import Actor
from core.once import once, require_key
from core.refusal import BadInput, NotFound
from lending import accounts, auth, codes, consents, contacts, devices, mails, patrons, queries, standings
from lending.edge import Edge, Pages, page_of, told
from lending.models import Consent, Contact, Patron
from lending.models import Language as Languages
from lending.serializers import (
    BarRow,
    HistoryRow,
    KeepInput,
    Nothing,
    Paged,
    Strict,
    TextsInput,
    TextsRow,
    Words,
    read,
    read_query,
)


def _me(request: Request) -> Patron:
    """The patron who asks. Refuses anybody else with `patron_only`."""
    return Patron.objects.select_related("home__programme", "home__surge_programme").get(
        pk=auth.require_patron(Actor.of(request))
    )


# Standing


class StandingQuery(Strict):
    library = serializers.CharField(required=False, max_length=40, help_text="code; else one's own library")


class LimitRow(serializers.Serializer[Any]):
    limit = serializers.ChoiceField(choices=["volumes", "orders", "reserved", "at_once"], source="name")
    taken = serializers.IntegerField(source="counted.taken")
    allowed = serializers.IntegerField(source="counted.allowed")
    left = serializers.IntegerField(source="counted.left")
    again_on = serializers.DateField(
        source="counted.again_on",
        allow_null=True,
        help_text="first local day with room again; null where none is known",
    )


class StrikesRow(serializers.Serializer[Any]):
    taken = serializers.IntegerField(help_text="strikes that count today")
    allowed = serializers.IntegerField(help_text="so many lead to a pause")


class PausedRow(serializers.Serializer[Any]):
    why = serializers.ChoiceField(choices=["strikes", "overdue"])
    count = serializers.IntegerField(help_text="strikes, or days overdue")
    until = serializers.DateField(help_text="last local day of the pause")


class StandingRow(serializers.Serializer[Any]):
    """How one stands with the programme of a library today. A limit that the programme does not set is left out."""

    library = serializers.CharField(source="library.code")
    limits = LimitRow(many=True)
    volumes_per_order = serializers.IntegerField(source="per_order", allow_null=True)
    strikes = StrikesRow(allow_null=True, help_text="null where the programme counts none")
    barred = BarRow(many=True, source="bars")
    paused = PausedRow(allow_null=True)
    blocked_until = serializers.DateField(allow_null=True)


class Standing(Edge):
    @told("my_standing", StandingRow, asks=StandingQuery)
    def get(self, request: Request) -> Response:
        """Each limit with its count, its maximum and when there is room again; strikes, a pause, a block."""
        patron, asked = _me(request), read_query(StandingQuery, request)
        library = queries.library_of(asked["library"]) if "library" in asked else patron.home
        if library is None:
            raise NotFound(field="library")
        return Response(StandingRow(standings.of(patron, library, now=clock.now())).data)


# PIN, language, devices


class PinInput(Strict):
    """The new PIN, and the old one or a one-time code."""

    old = Words(required=False, max_length=128, trim_whitespace=False)
    one_time_code = Words(required=False, max_length=40, help_text="for whoever has no PIN, or forgot it")
    pin = Words(max_length=128, trim_whitespace=False, help_text="6 to 8 digits")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if ("old" in attrs) == ("one_time_code" in attrs):
            raise BadInput(field="old")
        return attrs


class PinRow(serializers.Serializer[Any]):
    signed_out = serializers.BooleanField(help_text="every token and device of the old PIN, this one too")


class Pin(Edge):
    @told("change_pin", PinRow, takes=PinInput, keyed=True)
    def post(self, request: Request) -> HttpResponseBase:
        """A new PIN by the old one, or by a one-time code (`tokens/code`). Sign in again afterwards."""
        require_key(request)
        by, patron, given, now = Actor.of(request), _me(request), read(PinInput, request), clock.now()
        address = str(BaseThrottle().get_ident(request))
        # Outside the transaction: a refusal takes back what was written in it, and a guess has to be counted.
        if "old" in given:
            accounts.check_pin(patron_id=patron.pk, pin=given["old"], address=address, now=now)
        else:
            codes.sign_in(card_number=patron.card_number, code=given["one_time_code"], address=address, now=now)
        with once(by, request) as answer:
            accounts.set_pin(patron_id=patron.pk, pin=given["pin"], by=by, now=now)
            return answer(PinRow({"signed_out": True}).data)


class LanguageInput(Strict):
    language = serializers.ChoiceField(choices=Languages.choices)


class Language(Edge):
    @told("set_language", LanguageInput, takes=LanguageInput, keyed=True)
    def post(self, request: Request) -> HttpResponseBase:
        """The language of pages and texts."""
        by = Actor.of(request)
        with once(by, request) as answer:
            given, patron = read(LanguageInput, request), _me(request)
            patrons.speak(patron_id=patron.pk, **given, by=by, now=clock.now())
            return answer(given)


class DeviceRow(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    name = serializers.CharField(help_text="such as: Chrome, Android")
    made_at = serializers.DateTimeField()
    seen_at = serializers.DateTimeField()
    expires_at = serializers.DateTimeField()


class DevicesRow(serializers.Serializer[Any]):
    results = DeviceRow(many=True)


class Devices(Edge):
    @told("my_devices", DevicesRow)
    def get(self, request: Request) -> Response:
        """The devices that stay signed in, the one seen last first."""
        read_query(Nothing, request)
        return Response(_devices(_me(request)))


class ForgetDevice(Edge):
    @told("forget_device", DevicesRow, keyed=True)
    def post(self, request: Request, device_id: int) -> HttpResponseBase:
        """Sign a device out; the answer is those that are left."""
        by = Actor.of(request)
        with once(by, request) as answer:
            read(Nothing, request)
            patron = _me(request)
            if not devices.forget(account_id=patron.account_id or 0, device_id=device_id):
                raise NotFound
            return answer(_devices(patron))


def _devices(patron: Patron) -> dict[str, Any]:
    return dict(DevicesRow({"results": devices.of_account(patron.account_id or 0)}).data)


# Numbers, and who collects


class ContactRow(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    own = serializers.BooleanField(help_text="else somebody who collects")
    name = serializers.CharField()
    number = serializers.CharField(help_text="E.164")
    mail = serializers.CharField(help_text="mails go there once it is confirmed")
    mail_confirmed = serializers.SerializerMethodField(help_text="by the link in the mail that asks")
    told_by = serializers.ChoiceField(
        choices=Contact.Door.choices, help_text="how to tell first what has to be known: ready, moved, closed"
    )
    language = serializers.ChoiceField(choices=Languages.choices)
    may_text = serializers.BooleanField()
    may_call = serializers.BooleanField()
    kept = serializers.BooleanField(help_text="for the next time")

    def get_mail_confirmed(self, row: Contact) -> bool:
        return row.mail_confirmed_at is not None


class ContactsRow(serializers.Serializer[Any]):
    results = ContactRow(many=True)


class ContactInput(Strict):
    """What is left out stays as it is."""

    first = serializers.BooleanField(required=False, help_text="true: reach me under this number first")
    may_text = serializers.BooleanField(required=False)
    may_call = serializers.BooleanField(required=False)
    kept = serializers.BooleanField(required=False, help_text="somebody who collects: keep them for the next time")
    told_by = serializers.ChoiceField(choices=Contact.Door.choices, required=False)
    mail = Words(required=False, max_length=254, allow_blank=True, help_text="a mail asks there for a yes; empty: none")


class Contacts(Edge):
    @told("my_contacts", ContactsRow)
    def get(self, request: Request) -> Response:
        """One's own numbers, and the people who collect; one's own first."""
        read_query(Nothing, request)
        return Response(_contacts(_me(request)))


class OneContact(Edge):
    @told("change_contact", ContactsRow, takes=ContactInput, keyed=True)
    def post(self, request: Request, contact_id: int) -> HttpResponseBase:
        """What may be done with a number; the answer is all of them."""
        by, now = Actor.of(request), clock.now()
        require_key(request)
        if isinstance(request.data, dict) and request.data.get("mail"):
            mails.count(patron_id=_me(request).pk, now=now)
        with once(by, request) as answer:
            given, patron = read(ContactInput, request), _me(request)
            chosen = next((one for one in contacts.of(patron.pk) if one.pk == contact_id), None)
            if chosen is None:
                raise NotFound
            which = {"patron_id": patron.pk, "contact_id": contact_id}
            if given.pop("first", False):
                contacts.put_first(**which, by=by, now=now)
            if "kept" in given:
                contacts.keep(**which, kept=given.pop("kept"), by=by, now=now)
            if "mail" in given:
                contacts.set_mail(**which, mail=given.pop("mail"), by=by, now=now)
            if given:
                text, call = given.get("may_text", chosen.may_text), given.get("may_call", chosen.may_call)
                told_by = given.get("told_by")
                contacts.use(**which, may_text=text, may_call=call, told_by=told_by, by=by, now=now)
            return answer(_contacts(patron))


class RemoveContact(Edge):
    @told("remove_contact", ContactsRow, keyed=True)
    def post(self, request: Request, contact_id: int) -> HttpResponseBase:
        """Forget a number, or somebody who collects; the answer is those that are left."""
        by = Actor.of(request)
        with once(by, request) as answer:
            read(Nothing, request)
            patron = _me(request)
            contacts.remove(patron_id=patron.pk, contact_id=contact_id, by=by, now=clock.now())
            return answer(_contacts(patron))


def _contacts(patron: Patron) -> dict[str, Any]:
    return dict(ContactsRow({"results": contacts.of(patron.pk)}).data)


# Consents


class ConsentRow(serializers.Serializer[Any]):
    what = serializers.ChoiceField(choices=Consent.What.choices)
    given = serializers.BooleanField()
    version = serializers.CharField()
    at = serializers.DateTimeField()


class ConsentsRow(serializers.Serializer[Any]):
    results = ConsentRow(many=True)


class ConsentInput(Strict):
    what = serializers.ChoiceField(choices=Consent.What.choices)
    given = serializers.BooleanField()


class Consents(Edge):
    @told("my_consents", ConsentsRow)
    def get(self, request: Request) -> Response:
        """The newest answer to each question that one was asked."""
        read_query(Nothing, request)
        return Response(_consents(_me(request)))

    @told("answer_consent", ConsentsRow, takes=ConsentInput, keyed=True)
    def post(self, request: Request) -> HttpResponseBase:
        """Agree, or withdraw; each answer is kept as a row of its own."""
        by = Actor.of(request)
        with once(by, request) as answer:
            given, patron = read(ConsentInput, request), _me(request)
            consents.answer(patron_id=patron.pk, **given, by=by, now=clock.now())
            return answer(_consents(patron))


def _consents(patron: Patron) -> dict[str, Any]:
    found = consents.standing(patron.pk)
    return dict(ConsentsRow({"results": [found[what] for what in sorted(found)]}).data)


class MyHouseholdRow(serializers.Serializer[Any]):
    """With how many one lives, and how many agreed to be served together; nobody is named."""

    members = serializers.IntegerField(help_text="oneself among them; 0: no household is on file")
    agreed = serializers.IntegerField()
    together = serializers.BooleanField(help_text="one car, one time: all of them agreed")


class MyHousehold(Edge):
    @told("my_household", MyHouseholdRow)
    def get(self, request: Request) -> Response:
        """One's household; one agrees, or does not any more, under `me/consents`."""
        read_query(Nothing, request)
        house = _me(request).household
        agreed = consents.agreed(house.pk) if house is not None else {}
        together = house is not None and house.together
        told_of = {"members": len(agreed), "agreed": sum(agreed.values()), "together": together}
        return Response(MyHouseholdRow(told_of).data)


# Returned books, and texts about loans


class History(Edge):
    @told("list_history", page_of(HistoryRow), asks=Paged)
    def get(self, request: Request) -> Response:
        """The books one had and brought back, newest loan first; none unless one keeps such a list."""
        read_query(Paged, request)
        pages = Pages()
        return pages.response(HistoryRow(pages.page(queries.history_of(_me(request)), request), many=True).data)

    @told("keep_history", KeepInput, takes=KeepInput, keyed=True)
    def post(self, request: Request) -> HttpResponseBase:
        """Keep the list of returned books, or forget it; a consent with its date, as on the page."""
        by = Actor.of(request)
        patron_id = auth.require_patron(by)
        with once(by, request) as answer:
            keep = read(KeepInput, request)["keep"]
            consents.answer(patron_id=patron_id, what=Consent.What.HISTORY, given=keep, by=by, now=clock.now())
            return answer({"keep": keep})


class Texts(Edge):
    @told("get_my_texts", TextsRow)
    def get(self, request: Request) -> Response:
        """What one is texted of one's loans."""
        read_query(Nothing, request)
        return Response(TextsRow(_me(request)).data)

    @told("choose_my_texts", TextsRow, takes=TextsInput, keyed=True)
    def post(self, request: Request) -> HttpResponseBase:
        """Choose it; what is not named stays as it is."""
        by = Actor.of(request)
        patron_id = auth.require_patron(by)
        with once(by, request) as answer:
            chosen = read(TextsInput, request)
            patron = patrons.choose_texts(patron_id=patron_id, **chosen, by=by, now=clock.now())
            return answer(TextsRow(patron).data)
