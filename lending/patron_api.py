"""API v1 for staff: people are found, enrolled, kept right; their household, consents, standing; what is forgiven."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.db import transaction
from django.http.response import HttpResponseBase
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from core import access, clock
from core.actor import Actor
from core.once import once, require_key
from core.refusal import BadInput, NotFound
from lending import accounts, auth, codes, consents, contacts, patrons, queries, standings, strikes
from lending.api import where
from lending.edge import Edge, told
from lending.me_api import ConsentInput, ConsentRow, ContactRow, StandingRow
from lending.models import Language, Patron
from lending.serializers import AtLibrary, Day, Nothing, Strict, Words, read, read_query

PURPOSE = "api patrons"  # under which it is noted who was looked at
FOUND = 20


class FindInput(Strict):
    caller = Words(max_length=80, help_text="card number, telephone number (its last four digits do), or name")
    library = Words(required=False, max_length=40, help_text="code; needed by those who work in several")


class HintRow(serializers.Serializer[Any]):
    """Enough to tell people of one name apart."""

    id = serializers.IntegerField(source="patron.pk")
    name = serializers.CharField(help_text="masked")
    phone_ends = serializers.CharField(source="ends")
    card_ends = serializers.CharField(source="card")


class FoundRow(serializers.Serializer[Any]):
    results = HintRow(many=True)
    more = serializers.BooleanField(help_text="there are more than these; say more")


class EnrolInput(Strict):
    card_number = Words(max_length=80)
    name = Words(max_length=80)
    number = Words(required=False, default="", allow_blank=True, max_length=40, help_text="as people there write it")
    language = serializers.ChoiceField(choices=Language.choices, default=Language.KO)
    child_until = Day(required=False, allow_null=True, default=None, help_text="14th birthday of a child")
    abroad = serializers.BooleanField(default=False, help_text="agrees to texts by a carrier abroad")
    agrees = serializers.BooleanField(help_text="agrees to what is kept; without it nobody is enrolled")
    guardian = Words(required=False, default="", allow_blank=True, max_length=80, help_text="who agrees for a child")
    library = Words(required=False, max_length=40, help_text="code; needed by those who work in several")

    def validate_agrees(self, agrees: bool) -> bool:
        if not agrees:
            raise BadInput(field="agrees")
        return agrees


class CorrectInput(Strict):
    """What is left out stays as it is."""

    name = Words(required=False, max_length=80)
    language = serializers.ChoiceField(choices=Language.choices, required=False)
    accessible_place = serializers.BooleanField(required=False)
    child_until = Day(required=False, allow_null=True)
    blocked_until = Day(required=False, allow_null=True, help_text="last local day of a block; null: not blocked")
    needs = serializers.ListField(child=serializers.ChoiceField(choices=Patron.Need.choices), required=False)
    needs_note = Words(required=False, allow_blank=True, max_length=200)


class MemberOfRow(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    name = serializers.CharField()
    agreed = serializers.BooleanField(help_text="to be served together")


class HouseholdRow(serializers.Serializer[Any]):
    """With whom a patron lives; nobody: no household is on file."""

    together = serializers.BooleanField(help_text="one car, one time: all of them agreed")
    members = MemberOfRow(many=True)


class PatronRow(serializers.Serializer[Any]):
    """All that staff may know of one patron."""

    id = serializers.IntegerField()
    card_number = serializers.CharField()
    name = serializers.CharField()
    language = serializers.ChoiceField(choices=Language.choices)
    home = serializers.CharField(source="home.code")
    accessible_place = serializers.BooleanField()
    child_until = serializers.DateField(allow_null=True)
    blocked_until = serializers.DateField(allow_null=True)
    needs = serializers.ListField(child=serializers.ChoiceField(choices=Patron.Need.choices))
    needs_note = serializers.CharField()
    has_pin = serializers.BooleanField()
    contacts = serializers.SerializerMethodField()
    household = serializers.SerializerMethodField()

    def get_contacts(self, row: Patron) -> list[Any]:
        return list(ContactRow(contacts.of(row.pk), many=True).data)

    def get_household(self, row: Patron) -> dict[str, Any]:
        return _household(row)


class OtherInput(Strict):
    card_number = Words(max_length=80, help_text="of somebody with whom they live")


class ConsentOfInput(ConsentInput):
    guardian = Words(required=False, default="", allow_blank=True, max_length=80, help_text="who agrees for a child")


class ConsentsOfRow(serializers.Serializer[Any]):
    results = ConsentRow(many=True)


class HeldRow(serializers.Serializer[Any]):
    """One thing that is held against a patron: a day and a class, never a title."""

    on = serializers.DateField()
    kind = serializers.CharField()
    counts = serializers.BooleanField(help_text="it still counts today")
    until = serializers.DateField(allow_null=True, help_text="of a pause: its last day")


class StandingOfRow(StandingRow):
    """How a patron stands with the programme of a library today, and what is held against them."""

    against = HeldRow(many=True)


class ForgiveInput(AtLibrary):
    why = serializers.ChoiceField(choices=strikes.Forgiven.choices)


class CodeRow(serializers.Serializer[Any]):
    code = serializers.CharField(help_text="works once, within ten minutes, in place of the PIN; shown only here")


def served(by: Actor, patron_id: int) -> Patron:
    """A patron whom the actor's libraries serve; others are unknown. That they were looked at is noted."""
    found = queries.patrons_of(auth.require_any_staff(by)).select_related("account").filter(pk=patron_id).first()
    if found is None:
        raise NotFound
    access.saw([f"patron:{found.pk}"], purpose=PURPOSE, by=by, now=clock.now(), needs=bool(found.what_to_do))
    return found


def _now(patron_id: int) -> Patron:
    """A patron who was looked at already, as they are after a change."""
    return Patron.objects.select_related("home", "household", "account").get(pk=patron_id)


def _household(who: Patron) -> dict[str, Any]:
    if who.household is None:
        return {"together": False, "members": []}
    agreed = consents.agreed(who.household.pk)
    rows = queries.patrons_of([who.home_id]).filter(household=who.household).order_by("name", "pk")
    members = [{"id": one.pk, "name": one.name, "agreed": agreed.get(one.pk, False)} for one in rows]
    return {"together": who.household.together, "members": members}


def _consents(patron_id: int) -> dict[str, Any]:
    found = consents.standing(patron_id)
    return dict(ConsentsOfRow({"results": [found[what] for what in sorted(found)]}).data)


class FindPatrons(Edge):
    @told("find_patrons", FoundRow, takes=FindInput, keyed=True)
    def post(self, request: Request) -> HttpResponseBase:
        """Whose record? In a body, so that no address bears a name. Staff only."""
        by, now = Actor.of(request), clock.now()
        with once(by, request) as answer:
            given = read(FindInput, request)
            library = queries.library_with_rules(where(by, given.get("library")))
            rows = patrons.find(given["caller"], library_ids=[library.pk], region=library.region)
            some = list(rows[: FOUND + 1])
            access.saw([f"patron:{one.pk}" for one in some[:FOUND]], purpose=PURPOSE, by=by, now=now)
            hints = [patrons.hint(one) for one in some[:FOUND]]
            return answer(FoundRow({"results": hints, "more": len(some) > FOUND}).data)


class Patrons(Edge):
    @told("enrol_patron", PatronRow, takes=EnrolInput, status=201, keyed=True)
    def post(self, request: Request) -> HttpResponseBase:
        """Somebody new, with what they agreed to; until they choose a PIN they sign in by a code. Staff only."""
        by, now = Actor.of(request), clock.now()
        with once(by, request) as answer:
            given = read(EnrolInput, request)
            made = patrons.enrol(
                card_number=given["card_number"],
                name=given["name"],
                home_id=where(by, given.get("library")),
                number=given["number"],
                language=given["language"],
                child_until=given["child_until"],
                by=by,
                now=now,
            )
            for what, agrees in zip(consents.ASKED_AT_ENROLMENT, (True, given["abroad"]), strict=True):
                consents.answer(patron_id=made.pk, what=what, given=agrees, guardian=given["guardian"], by=by, now=now)
            return answer(PatronRow(served(by, made.pk)).data, status=201)


class OnePatron(Edge):
    @told("get_patron", PatronRow)
    def get(self, request: Request, patron_id: int) -> Response:
        """One patron of one's libraries. Staff only; each look is noted."""
        read_query(Nothing, request)
        return Response(PatronRow(served(Actor.of(request), patron_id)).data)

    @told("correct_patron", PatronRow, takes=CorrectInput, keyed=True)
    def post(self, request: Request, patron_id: int) -> HttpResponseBase:
        """Keep a record right. Staff only."""
        by, now = Actor.of(request), clock.now()
        with once(by, request) as answer:
            given, who = read(CorrectInput, request), served(by, patron_id)
            if "language" in given:
                patrons.speak(patron_id=who.pk, language=given.pop("language"), by=by, now=now)
            needs = {name: given.pop(name) for name in ("needs", "needs_note") if name in given}
            if needs:
                both = {"needs": who.needs, "needs_note": who.needs_note, **needs}
                patrons.note_needs(patron_id=who.pk, **both, by=by, now=now)
            if given:
                columns = ("name", "accessible_place", "child_until", "blocked_until")
                kept = {name: getattr(who, name) for name in columns}
                patrons.correct(patron_id=who.pk, **{**kept, **given}, by=by, now=now)
            return answer(PatronRow(_now(who.pk)).data)


class PatronCode(Edge):
    @told("give_code", CodeRow, keyed=True)
    def post(self, request: Request, patron_id: int) -> Response:
        """A one-time code for somebody who stands here; another one each time, for none is kept. Staff only."""
        require_key(request)
        read(Nothing, request)
        by, now = Actor.of(request), clock.now()
        with transaction.atomic():
            who = served(by, patron_id)
            return Response(CodeRow({"code": codes.give(patron_id=who.pk, by=by, now=now)}).data)


class _PatronAct(Edge):
    def act(
        self,
        request: Request,
        patron_id: int,
        do: Callable[[Patron, dict[str, Any], Actor], dict[str, Any]],
        takes: type[Strict] = Nothing,
    ) -> HttpResponseBase:
        """Once, about somebody whom one's libraries serve, with what `do` gives as the answer."""
        by = Actor.of(request)
        with once(by, request) as answer:
            given = read(takes, request)
            return answer(do(served(by, patron_id), given, by))


class PatronHousehold(_PatronAct):
    @told("get_household", HouseholdRow)
    def get(self, request: Request, patron_id: int) -> Response:
        """With whom a patron lives. Staff only."""
        read_query(Nothing, request)
        return Response(HouseholdRow(_household(served(Actor.of(request), patron_id))).data)

    @told("live_with", HouseholdRow, takes=OtherInput, keyed=True)
    def post(self, request: Request, patron_id: int) -> HttpResponseBase:
        """Into the household of another patron; served together once all of them agreed. Staff only."""

        def join(who: Patron, given: dict[str, Any], by: Actor) -> dict[str, Any]:
            other = served(by, patrons.by_card(given["card_number"]).pk)
            consents.live_with(patron_id=who.pk, other_id=other.pk, by=by, now=clock.now())
            return dict(HouseholdRow(_household(_now(who.pk))).data)

        return self.act(request, patron_id, join, OtherInput)


class LeaveHousehold(_PatronAct):
    @told("live_apart", HouseholdRow, keyed=True)
    def post(self, request: Request, patron_id: int) -> HttpResponseBase:
        """Out of the household. Staff only."""

        def leave(who: Patron, _given: dict[str, Any], by: Actor) -> dict[str, Any]:
            consents.live_apart(patron_id=who.pk, by=by, now=clock.now())
            return dict(HouseholdRow(_household(_now(who.pk))).data)

        return self.act(request, patron_id, leave)


class PatronConsents(_PatronAct):
    @told("list_consents", ConsentsOfRow)
    def get(self, request: Request, patron_id: int) -> Response:
        """The newest answer to each question that a patron was asked. Staff only."""
        read_query(Nothing, request)
        return Response(_consents(served(Actor.of(request), patron_id).pk))

    @told("note_consent", ConsentsOfRow, takes=ConsentOfInput, keyed=True)
    def post(self, request: Request, patron_id: int) -> HttpResponseBase:
        """Note what a patron said, with day and name of who noted it. Staff only."""

        def note(who: Patron, given: dict[str, Any], by: Actor) -> dict[str, Any]:
            consents.answer(patron_id=who.pk, **given, by=by, now=clock.now())
            return _consents(who.pk)

        return self.act(request, patron_id, note, ConsentOfInput)


class PatronStanding(Edge):
    @told("get_standing", StandingOfRow, asks=AtLibrary)
    def get(self, request: Request, patron_id: int) -> Response:
        """A patron's limits, strikes and pauses by the rules of a library of one's own. Staff only."""
        by, asked = Actor.of(request), read_query(AtLibrary, request)
        who = served(by, patron_id)
        library = queries.library_with_rules(where(by, asked.get("library")))
        return Response(StandingOfRow(standings.of(who, library, now=clock.now())).data)


class Forgive(_PatronAct):
    @told("forgive", StandingOfRow, takes=ForgiveInput, keyed=True)
    def post(self, request: Request, patron_id: int) -> HttpResponseBase:
        """Take back all that is held against a patron in a library's programme, and say why. Staff only."""

        def forgive(who: Patron, given: dict[str, Any], by: Actor) -> dict[str, Any]:
            now = clock.now()
            library = queries.library_with_rules(where(by, given.get("library")))
            strikes.forgive(patron_id=who.pk, programme_id=library.programme_id, why=given["why"], by=by, now=now)
            return dict(StandingOfRow(standings.of(who, library, now=now)).data)

        return self.act(request, patron_id, forgive, ForgiveInput)


class LiftWait(_PatronAct):
    @told("lift_wait", PatronRow, keyed=True)
    def post(self, request: Request, patron_id: int) -> HttpResponseBase:
        """After wrong tries the card may be tried again at once. Staff only."""

        def lift(who: Patron, _given: dict[str, Any], _by: Actor) -> dict[str, Any]:
            accounts.lift_wait(card_number=who.card_number)
            return dict(PatronRow(who).data)

        return self.act(request, patron_id, lift)
