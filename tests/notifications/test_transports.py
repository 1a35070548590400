"""The contract of a carrier, passed by every transport over its own wire. A new one adds a `Case` and nothing else."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from structlog.testing import capture_logs

from notifications import consent, delivery, transports
from notifications.errors import Busy, CarrierError, InDoubt, NoConnection, NotSent, Stopped, Unreachable
from notifications.models import Call, Message, Sender
from notifications.receipts import RANKS
from notifications.states import MessageState as S
from notifications.transports import Outgoing, Received, Transport, console, memory, twilio
from notifications.transports.email import Email, subject
from tests import rows
from tests.notifications import mailserver, standin
from tests.notifications.conftest import enqueue, queue
from tests.notifications.mailserver import MailServer
from tests.notifications.standin import refused

BODY = "[금호도서관] 책 3권 준비. 11/25(수) 16:00 수령, 번호 4721. 문의 02-100-6440"


@dataclass(frozen=True)
class Case:
    """A transport at work: whom to send to, what reached them, and how its carrier says no."""

    transport: Transport
    to: Callable[[], str]
    reached: Callable[[str], list[str]]
    refuse: Callable[[], None] | None = None
    cut_off: Callable[[], None] | None = None
    text_in: Callable[[str, str], object] | None = None

    def outgoing(self, to: str = "", body: str = BODY) -> Outgoing:
        return Outgoing(next(serials), "+821000000001", to or self.to(), body, 600)


serials = itertools.count(1)


@contextmanager
def post_office(settings: Any) -> Iterator[MailServer]:
    """A mail server, and settings that lead to it."""
    with mailserver.serving() as running:
        settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
        settings.EMAIL_HOST, settings.EMAIL_PORT, settings.EMAIL_TIMEOUT = "127.0.0.1", running.port, 5
        settings.DEFAULT_FROM_EMAIL = "library@pickup.example.org"
        settings.TRANSPORTS = {**settings.TRANSPORTS, "mail": "notifications.transports.email.Email"}
        yield running


@pytest.fixture
def mails(settings: Any) -> Iterator[MailServer]:
    with post_office(settings) as running:
        yield running


def _twilio(settings: Any) -> Iterator[Case]:
    with standin.serving() as carrier:
        settings.TWILIO_API_BASE_URL = carrier.base_url

        def refuse() -> None:
            carrier.answer = lambda _fields: refused(400, 21211)

        def cut_off() -> None:
            settings.TWILIO_API_BASE_URL = "http://127.0.0.1:9"

        def text_in(number: str, body: str) -> object:
            return carrier.text_in(sent_from=rows.american(), sent_to=number, body=body)

        yield Case(twilio.Twilio(), rows.mobile, carrier.bodies_to, refuse, cut_off, text_in)


def _email(settings: Any) -> Iterator[Case]:
    with post_office(settings) as server:

        def refuse() -> None:
            server.says["RCPT"] = "550 no such mailbox"

        def cut_off() -> None:
            settings.EMAIL_PORT = 9

        yield Case(Email(), lambda: f"reader-{rows.serial()}@example.org", server.bodies_to, refuse, cut_off)


def _console(_settings: Any) -> Iterator[Case]:
    with capture_logs() as said:
        yield Case(
            console.Console(),
            rows.mobile,
            lambda to: [line["body"] for line in said if line["event"] == "text" and line["to"] == to],
        )


def _memory(_settings: Any) -> Iterator[Case]:
    yield Case(memory.Memory(), rows.mobile, lambda to: [one.body for one, _ in memory.sent if one.to == to])


CASES = {"twilio": _twilio, "email": _email, "console": _console, "memory": _memory}
OVER_A_WIRE = ("twilio", "email")


@pytest.fixture(params=CASES)
def case(request: pytest.FixtureRequest, settings: Any) -> Iterator[Case]:
    yield from CASES[request.param](settings)


# What every carrier does.


def test_a_text_reaches_its_reader_once_and_as_it_is(case: Case):
    text = case.outgoing()
    report = case.transport.send(text)
    assert case.reached(text.to) == [BODY]
    assert 1 <= len(report.provider_id) <= 64  # what the column takes
    assert report.status in RANKS


def test_lines_and_signs_arrive_unchanged(case: Case):
    text = case.outgoing(body="[Geumho] 1 < 2 & 3\n.\n“끝” =3D 100%")
    case.transport.send(text)
    assert case.reached(text.to) == [text.body]


def test_each_message_has_an_id_of_its_own_also_to_the_same_reader(case: Case):
    to = case.to()
    ids = {case.transport.send(case.outgoing(to)).provider_id for _ in range(3)}
    assert len(ids) == 3
    assert len(case.reached(to)) == 3


def test_what_the_carrier_took_is_evidence_or_there_is_none(case: Case):
    """Newest first, of this reader alone, and nothing from before the moment that was asked for."""
    began = datetime.now(UTC) - timedelta(seconds=2)
    text = case.outgoing()
    first = case.transport.send(text)
    second = case.transport.send(case.outgoing(text.to))
    case.transport.send(case.outgoing())
    found = case.transport.sent_to(text.to, since=began)
    if found:
        assert [one.provider_id for one in found] == [second.provider_id, first.provider_id]
        assert {one.body for one in found} == {BODY}
    assert not case.transport.sent_to(text.to, since=datetime.now(UTC) + timedelta(minutes=1))
    assert not case.transport.sent_to(case.to(), since=began)


def test_what_became_of_a_text_is_told_of_its_own_id_alone(case: Case):
    own = case.transport.send(case.outgoing()).provider_id
    found = case.transport.fetch(own)
    assert found is None or (found.provider_id == own and found.status in RANKS)
    assert case.transport.fetch("nobody-gave-this-id") is None


def test_answers_come_back_as_they_were_sent_or_not_at_all(case: Case):
    number, began = rows.mobile(), datetime.now(UTC) - timedelta(minutes=1)
    if case.text_in is not None:
        case.text_in(number, "１ 네~")
    found = list(case.transport.received(number, since=began))
    assert [one.body for one in found] == (["１ 네~"] if case.text_in else [])
    assert all(isinstance(one, Received) and one.to_number == number for one in found)


def test_many_threads_get_each_their_own_answer(case: Case):
    texts = [case.outgoing(body=f"{BODY} {number}") for number in range(24)]
    with ThreadPoolExecutor(12) as pool:
        reports = list(pool.map(case.transport.send, texts))
    assert len({report.provider_id for report in reports}) == 24
    assert [case.reached(text.to) for text in texts] == [[text.body] for text in texts]


@pytest.mark.parametrize("case", OVER_A_WIRE, indirect=True)
def test_a_reader_who_cannot_be_reached_is_told_apart(case: Case):
    assert case.refuse is not None
    case.refuse()
    text = case.outgoing()
    with pytest.raises(Unreachable):
        case.transport.send(text)
    assert case.reached(text.to) == []


@pytest.mark.parametrize("case", OVER_A_WIRE, indirect=True)
def test_a_carrier_that_is_away_has_surely_nothing(case: Case):
    assert case.cut_off is not None
    case.cut_off()
    with pytest.raises(NoConnection):
        case.transport.send(case.outgoing())


# The whole road of a row, with each of them.


@pytest.mark.django_db
@pytest.mark.parametrize("name", ["twilio", "console", "memory"])
def test_a_row_is_accepted_through_each_carrier_of_texts(name: str, settings: Any, sender: Sender, now):
    for case in CASES[name](settings):
        kind = type(case.transport)
        settings.TRANSPORTS = {"text": f"{kind.__module__}.{kind.__name__}"}
        text = queue(sender)
        delivery.deliver(now=now)
        text.refresh_from_db()
        assert (text.state, case.reached(text.to)) == (S.ACCEPTED, ["책 3권 준비"])


@pytest.mark.django_db
def test_who_takes_no_texts_gets_a_mail_and_nobody_calls(mails: MailServer, sender: Sender, now):
    text = queue(sender, to=rows.landline(), mail="reader@example.org")
    assert delivery.deliver(now=now) == 1
    text.refresh_from_db()
    assert (text.state, text.provider_id, text.segments) == (S.ACCEPTED, f"text-{text.pk}", 0)
    assert mails.bodies_to("reader@example.org") == ["책 3권 준비"]
    assert not Call.objects.exists()


@pytest.mark.django_db
def test_who_wants_no_texts_still_gets_mails(mails: MailServer, sender: Sender, now):
    number = rows.mobile()
    consent.opt_out(number=number, source="inbound", now=now)
    text = queue(sender, to=number, mail="reader@example.org")
    delivery.deliver(now=now)
    text.refresh_from_db()
    assert text.state == S.ACCEPTED


@pytest.mark.django_db
def test_who_takes_texts_gets_no_mail(mails: MailServer, carrier, sender: Sender, now):
    text = queue(sender, mail="reader@example.org")
    delivery.deliver(now=now)
    assert (text.mail, mails.taken, len(carrier.taken)) == ("", [], 1)


@pytest.mark.django_db
@pytest.mark.parametrize("columns", [{"practice": True, "to": rows.mobile()}, {"kind": "code"}])
def test_no_rehearsal_and_no_code_goes_by_mail(mails: MailServer, sender: Sender, now, columns: dict[str, Any]):
    made = enqueue(sender, **{"to": rows.landline(), "mail": "reader@example.org", **columns})
    delivery.deliver(now=now)
    assert not isinstance(made, Message) or (made.mail == "" and made.state == S.SUPPRESSED)
    assert mails.taken == []


@pytest.mark.django_db
def test_a_mailbox_that_does_not_exist_is_called(mails: MailServer, sender: Sender, now):
    mails.says["RCPT"] = "550 no such mailbox"
    text = queue(sender, to=rows.landline(), mail="gone@example.org")
    delivery.deliver(now=now)
    text.refresh_from_db()
    assert (text.state, text.error_code) == (S.FAILED, "550")
    assert Call.objects.get().number == text.to


@pytest.mark.django_db
def test_a_mail_whose_answer_is_lost_goes_once_more_under_the_same_name(mails: MailServer, sender: Sender, now):
    mails.hangs_up_after = "end"
    text = queue(sender, to=rows.landline(), mail="reader@example.org")
    delivery.deliver(now=now)
    text.refresh_from_db()
    assert text.state == S.IN_DOUBT
    mails.hangs_up_after = ""
    later = now + timedelta(minutes=2)
    assert delivery.resolve_doubts(now=later) == 1
    delivery.deliver(now=later)
    text.refresh_from_db()
    assert (text.state, text.resends) == (S.ACCEPTED, 1)
    assert len({mail["Message-ID"] for _to, mail in mails.taken}) == 1


@pytest.mark.django_db
def test_mails_that_were_switched_off_meanwhile_are_called(mails: MailServer, settings: Any, sender: Sender, now):
    queue(sender, to=rows.landline(), mail="reader@example.org")
    settings.TRANSPORTS = {"text": settings.TRANSPORTS["text"], "mail": ""}
    delivery.deliver(now=now)
    assert Call.objects.count() == 1


@pytest.mark.parametrize(
    ("says", "hangs_up_after", "means"),
    [
        ({"RCPT": "450 greylisted"}, "", Busy),
        ({"MAIL": "530 sign in first"}, "", Stopped),
        ({"MAIL": "451 later"}, "", Busy),
        ({"end": "554 looks like spam"}, "", NotSent),
        ({"end": "452 disk full"}, "", Busy),
        ({}, "MAIL", InDoubt),
        ({}, "end", InDoubt),
    ],
)
def test_what_a_mail_server_says_is_understood(
    mails: MailServer, says: dict[str, str], hangs_up_after: str, means: type[CarrierError]
):
    mails.says, mails.hangs_up_after = says, hangs_up_after
    with pytest.raises(CarrierError) as caught:
        Email().send(Outgoing(1, "", "reader@example.org", BODY, 60))
    assert type(caught.value) is means


def test_an_address_that_is_none_never_leaves(mails: MailServer):
    with pytest.raises(Unreachable):
        Email().send(Outgoing(1, "", "not an address@@example.org\n", BODY, 60))
    assert mails.taken == []


def test_the_subject_is_the_first_sentence_without_the_key_in_the_address(mails: MailServer):
    assert subject(BODY) == "[금호도서관] 책 3권 준비."
    assert subject("책 3권 https://pickup.example.org/o/secret-key-16chr 문의") == "책 3권 문의"
    Email().send(Outgoing(7, "", "reader@example.org", BODY, 60))
    ((to, mail),) = mails.taken
    assert (to, mail["From"], mail["Subject"]) == ("reader@example.org", "library@pickup.example.org", subject(BODY))
    assert mail["Auto-Submitted"] == "auto-generated"


def test_mail_is_off_unless_it_is_set_up(settings: Any):
    settings.TRANSPORTS = {"text": "notifications.transports.memory.Memory", "mail": ""}
    assert transports.mail() is None
    with pytest.raises(NotSent):
        transports.carrier_of("reader@example.org")
