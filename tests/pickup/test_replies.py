"""What an answer to a text does, from the stored row to the sentence that goes back."""

from __future__ import annotations

from datetime import timedelta

import pytest

from core.models import Journal
from lending.models import Contact, SpecialDay
from notifications import consent, encoding, inbound, wording
from notifications.models import Call, InboundMessage, Message, Sender
from pickup import appointments, lane, lapses, offers, orders, wordings
from pickup.models import Appointment, Order, PointRules, Question, Visit
from tests import rows
from tests.pickup import steps
from tests.pickup.steps import DESK

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def point():
    """A lane whose texts are carried by a gateway that brings replies."""
    sender = rows.sender(gateway="domestic", number="+821000000001")
    return rows.point(rows.library(sender=sender.key, name_ko="성동도서관", name_en="Seongdong Library"))


@pytest.fixture
def phone():
    return rows.mobile()


@pytest.fixture
def reader(point, phone):
    return rows.patron(point.library, number=phone)


def texted(point, number, body, now):
    """Somebody texts the library; gives the row after it was understood, and the sentence that goes back or ""."""
    sender = Sender.objects.get(key=point.library.sender)
    row = inbound.store(
        provider_id=f"SM{rows.serial()}", from_number=number, to_number=sender.number, body=body, media=0, now=now
    )
    assert inbound.apply(now=now) == 1
    row.refresh_from_db()
    said = Message.objects.filter(dedup_key=f"answer:{row.provider_id}").first()
    assert said is None or said.to == number
    return row, said.body if said else ""


def offered(point, who, now, *, order=None, **slot):
    """A ready order (or this one) that was offered a time."""
    if not point.slots.exists():
        for hour in range(6, 12):
            rows.slot(point, now + timedelta(hours=hour), **slot)
    order = steps.ready(order or steps.asked(who, point))
    assert offers.offer_ready(now=now, order_ids=[order.pk]) == 1
    return steps.again(order)


# 1


@pytest.mark.parametrize("body", ["1", " １ ", "네~", "yes", "👍"])
def test_one_says_yes_to_the_offered_time(point, reader, phone, now, body):
    order = offered(point, reader, now)
    row, said = texted(point, phone, body, now)
    assert (row.state, row.why, row.about) == ("applied", "confirmed", f"order:{order.pk}")
    assert steps.again(order).appointment.state == "confirmed"
    assert order.shown in said
    assert "16:00" in said
    assert not Question.objects.filter(closed_at__isnull=True).exists()


def test_yes_twice_is_one_yes(point, reader, phone, now):
    order = offered(point, reader, now)
    assert order.shown in texted(point, phone, "1", now)[1]
    row, said = texted(point, phone, "1", now)
    assert (row.state, row.why, Appointment.objects.count()) == ("applied", "confirmed", 1)
    assert said == "", "the same was said a moment ago"


# A machine that answers our answers


def test_a_machine_that_says_yes_to_everything_hears_it_once_an_hour(point, reader, phone, now):
    order = offered(point, reader, now)
    heard = [texted(point, phone, "1", now + timedelta(minutes=10 * k)) for k in range(8)]
    assert [bool(said) for _row, said in heard] == [True, False, False, False, False, False, True, False]
    assert {(row.state, row.why, row.about) for row, _said in heard} == {("applied", "confirmed", f"order:{order.pk}")}
    moves = Journal.objects.filter(noun="notifications.inboundmessage", became="applied")
    assert moves.count() == 8


def test_what_is_asked_is_done_although_the_answer_would_be_the_same(point, reader, phone, now):
    """Two bags after each other: the sentence of the second one is another one, and so is the second time."""
    offered(point, reader, now)
    assert "5=11/24 17:00" in texted(point, phone, "2", now)[1]
    assert texted(point, phone, "2", now)[1] == ""
    assert "17:00" in texted(point, phone, "5", now)[1]
    assert "5=11/24 16:00" in texted(point, phone, "2", now)[1]


def test_who_asks_for_something_else_in_between_is_answered_again(point, reader, phone, now):
    offered(point, reader, now)
    said = [texted(point, phone, body, now)[1] for body in ("2", "1", "2")]
    assert said[0] == said[2] != ""


def test_an_answer_that_did_not_arrive_is_said_again(point, reader, phone, now):
    offered(point, reader, now)
    texted(point, phone, "1", now)
    lost = Message.objects.get(dedup_key__startswith="answer:")
    lost.move("failed", at=now, by=DESK, why="30003")
    assert texted(point, phone, "1", now)[1] != ""


def test_two_people_hear_the_same_from_one_library(point, reader, phone, now):
    other = rows.mobile()
    rows.patron(point.library, number=other)
    assert texted(point, phone, "1", now)[1] == texted(point, other, "1", now)[1] != ""


def test_a_machine_with_two_phrases_comes_to_an_end(point, reader, phone, now):
    offered(point, reader, now)
    heard = [texted(point, phone, "21"[k % 2], now + timedelta(minutes=k))[1] for k in range(20)]
    assert [bool(said) for said in heard] == [True] * inbound.MOST_ANSWERS + [False] * (20 - inbound.MOST_ANSWERS)


def test_one_without_an_offer_says_how_it_stands(point, reader, phone, now):
    order = steps.asked(reader, point)
    assert "준비 중" in texted(point, phone, "1", now)[1]
    steps.ready(order)
    assert "11/27(금)까지" in texted(point, phone, "1", now)[1]


# 2 and the choices


def test_two_offers_other_times_and_keeps_the_old_one_until_one_is_chosen(point, reader, phone, now):
    order = offered(point, reader, now)
    row, said = texted(point, phone, "2", now)
    assert (row.why, said) == (
        "times_offered",
        "[성동도서관] 시간 5=11/24 17:00 6=18:00 7=19:00. 숫자로 답해 주세요.",
    )
    assert steps.again(order).appointment_id == order.appointment_id
    row, said = texted(point, phone, "6", now)
    changed = steps.again(order).appointment
    assert (row.why, changed.state, changed.slot.starts_at) == ("time_chosen", "confirmed", now + timedelta(hours=8))
    assert "18:00" in said
    assert sorted(point.slots.values_list("booked", flat=True)) == [0, 0, 0, 0, 0, 1]


def test_where_bags_are_kept_for_no_day_times_of_later_days_are_named_too(point, reader, phone, now):
    point.rules.keep_days = 0
    point.rules.save()
    for days in (1, 3):
        rows.slot(point, now + timedelta(days=days))
    offered(point, reader, now)
    assert "5=11/27" in texted(point, phone, "2", now)[1]


@pytest.mark.lawless("I1", why="a slot is filled by hand")
def test_a_time_that_has_gone_meanwhile_is_answered_with_others(point, reader, phone, now):
    offered(point, reader, now, capacity=1)
    texted(point, phone, "2", now)
    point.slots.filter(starts_at=now + timedelta(hours=7)).update(booked=1)
    row, said = texted(point, phone, "5", now)
    assert row.why == "times_offered"
    assert said.startswith("[성동도서관] 찼습니다. 5=11/24 18:00")


def test_with_no_other_time_the_library_is_named_to_call(point, reader, phone, now):
    rows.slot(point)
    offered(point, reader, now)
    row, said = texted(point, phone, "2", now)
    assert (row.why, "02-100-6440" in said) == ("no_times", True)


def test_where_no_times_are_promised_two_says_come_when_you_like(point, reader, phone, now):
    door = rows.point(point.library, layout="door", rules={"by_appointment": False})
    steps.ready(steps.asked(reader, door))
    assert "11/27(금)까지" in texted(point, phone, "2", now)[1]


def test_a_ready_order_without_a_promise_gets_the_chosen_time(point, reader, phone, now):
    order = steps.ready(steps.asked(reader, point))
    for hour in (6, 7):
        rows.slot(point, now + timedelta(hours=hour))
    texted(point, phone, "2", now)
    row, _said = texted(point, phone, "5", now)
    assert (row.why, steps.again(order).appointment.state) == ("time_chosen", "confirmed")


@pytest.mark.parametrize("has_a_time", [True, False])
def test_only_who_has_a_time_is_told_that_the_old_one_stands(point, now, has_a_time):
    number = rows.american()
    order = steps.ready(steps.asked(rows.patron(point.library, number=number), point))
    Contact.objects.filter(number=number).update(language="en")
    for hour in (6, 7):
        rows.slot(point, now + timedelta(hours=hour))
    if has_a_time:
        assert offers.offer_ready(now=now, order_ids=[order.pk]) == 1
    said = texted(point, number, "2", now)[1]
    assert ("Your old time stays" in said, "5=24 Nov" in said) == (has_a_time, True)


def test_who_collects_no_more_cannot_change_the_time_either(point, reader, now):
    numbers = [rows.mobile(), rows.mobile()]
    before, after = (rows.contact(reader, number=number, own=False, name="이웃") for number in numbers)
    order = offered(point, reader, now, order=steps.asked(reader, point, collector_id=before.pk))
    assert texted(point, numbers[0], "2", now)[0].why == "times_offered"
    steps.asked(reader, point, collector_id=after.pk)
    row, said = texted(point, numbers[0], "5", now)
    assert (row.state, order.shown in said) == ("parked", False)
    assert steps.again(order).appointment_id == order.appointment_id


@pytest.mark.parametrize("body", ["4", "order"])
def test_who_comes_before_the_books_hears_when_they_are_expected(point, phone, now, body):
    PointRules.objects.update(promise="at_order")
    programme = point.library.programme
    programme.transfer_days = 1
    programme.save(update_fields=["transfer_days"])
    rows.slot(point, now + timedelta(hours=49))
    copy, reader = rows.copy(at=rows.library(programme=programme)), rows.patron(point.library, number=phone)
    order = steps.asked_for([copy.title], reader, point)
    if body == "order":
        appointments.cancel(appointment_id=order.appointment_id or 0, by=DESK, now=now)
    row, said = texted(point, phone, order.shown if body == "order" else body, now)
    assert row.why == "books_travel"
    assert said == f"[성동도서관] 신청 {order.shown} 책이 11/25(수) 도착 예정입니다. 오면 알려 드립니다."
    assert not Visit.objects.exists()


@pytest.mark.parametrize("body", ["9", "5"])
def test_a_choice_that_was_not_offered_goes_to_the_staff(point, reader, phone, now, body):
    offered(point, reader, now)
    if body == "9":
        texted(point, phone, "2", now)
    row, said = texted(point, phone, body, now)
    assert (row.state, row.why) == ("parked", "not_understood")
    assert "1=예" in said


def test_yes_while_other_times_are_open_keeps_the_old_time(point, reader, phone, now):
    order = offered(point, reader, now)
    texted(point, phone, "2", now)
    texted(point, phone, "1", now)
    assert steps.again(order).appointment.pk == order.appointment_id
    assert steps.again(order).appointment.state == "confirmed"
    assert texted(point, phone, "5", now)[0].state == "parked"


# 3


@pytest.mark.parametrize("body", ["3", "취소", "취소해 주세요"])
def test_three_gives_the_books_back_and_the_place_too(point, reader, phone, now, body):
    order = offered(point, reader, now)
    row, said = texted(point, phone, body, now)
    assert (row.why, steps.again(order).state) == ("given_back", "cancelled")
    assert said == f"[성동도서관] 신청 {order.shown} 취소되었습니다. 문의 02-100-6440"
    assert set(point.slots.values_list("booked", flat=True)) == {0}


def test_what_stays_on_order_of_a_bag_that_is_given_back_is_said(point, reader, phone, now):
    order = offered(point, reader, now, order=steps.asked_more(reader, point, now=now))
    _row, said = texted(point, phone, "3", now)
    assert said == f"[성동도서관] 신청 {order.shown} 취소. 나머지 1권은 계속 예약 중. 문의 02-100-6440"


def test_staff_who_call_a_bag_off_tell_what_stays_on_order(point, reader, phone, now):
    order = steps.asked_more(reader, point, now=now)
    orders.cancel(order_id=order.pk, by=steps.DESK, now=now)
    assert Message.objects.get(about=f"order:{order.pk}").template == "cancelled_rest"


def test_a_letter_that_has_a_digit_in_it_cancels_nothing(point, reader, phone, now):
    order = offered(point, reader, now)
    row, _said = texted(point, phone, "3시에 갈게요", now)
    assert (row.state, row.why, steps.again(order).state) == ("parked", "not_understood", "ready")


# 4


def test_four_says_i_am_here_and_how_many_are_before(point, reader, phone, now):
    others = [steps.ready(steps.asked(rows.patron(point.library), point)) for _ in range(2)]
    for other in others:
        arrive(other, now)
    order = steps.ready(steps.asked(reader, point))
    row, said = texted(point, phone, "도착", now + timedelta(minutes=1))
    visit = Visit.objects.get(orders=order)
    assert (row.why, row.about, visit.door) == ("here", f"visit:{visit.pk}", "text")
    assert said == f"[성동도서관] {order.shown} 도착 접수되었습니다. 앞에 2팀 있습니다."  # no lane is open: how long?
    assert visit.expected_seconds is None
    assert texted(point, phone, "4", now + timedelta(minutes=2))[0].about == f"visit:{visit.pk}"


@pytest.mark.parametrize(("language", "first", "last"), [
    ("ko", "다음 차례, 약 2분 기다리시면 됩니다.", "앞에 2팀, 약 5분 기다리시면 됩니다."),
    ("en", "you are next, about 2 min to wait.", "2 ahead of you, about 5 min to wait."),
])  # fmt: skip
def test_four_says_about_how_long_it_takes_where_somebody_serves(point, now, language, first, last):
    rows.lane(point, name="1")
    at_window = steps.ready(steps.asked(rows.patron(point.library), point))
    arrive(at_window, now)
    [called] = lane.call_next(point_id=point.pk, by=DESK, now=now)
    phones = [rows.mobile() for _ in range(3)]
    for phone in phones:
        patron = rows.patron(point.library, number=phone)
        Contact.objects.filter(patron=patron).update(language=language)
        steps.ready(steps.asked(patron, point))
    said = [texted(point, phone, "4", now)[1] for phone in phones]
    assert said[0].endswith(first)
    assert said[2].endswith(last)  # 90 seconds for each of three
    assert sorted(Visit.objects.values_list("expected_seconds", flat=True), key=str) == [120, 180, 300, None]
    lane.hand_over(visit_id=called.pk, by=DESK, now=now)
    lane.call_next(point_id=point.pk, by=DESK, now=now)
    turn = ("지금 차례입니다. 차로: 1", "it is your turn now. Please come to lane 1.")
    assert texted(point, phones[0], "4", now)[1].endswith(turn)


def test_who_is_called_at_once_is_told_to_which_lane(point, reader, phone, now):
    rows.lane(point, name="1")
    PointRules.objects.update(auto_call=True)
    steps.ready(steps.asked(reader, point))
    assert texted(point, phone, "4", now)[1].endswith("지금 차례입니다. 차로: 1")


def arrive(order, now):
    from pickup import arrivals

    return arrivals.arrive(point_id=order.point_id, order_id=order.pk, by=DESK, now=now)


def test_who_comes_before_the_bag_is_packed_hears_so(point, reader, phone, now):
    steps.asked(reader, point)
    assert "책을 담고 있으니" in texted(point, phone, "4", now)[1]


def test_long_before_it_opens_nobody_is_put_in_line(point, reader, phone, now):
    rows.window(point)  # Tuesdays 16:00 to 17:00; it is ten
    steps.ready(steps.asked(reader, point))
    row, said = texted(point, phone, "4", now)
    assert (row.why, Visit.objects.count()) == ("closed", 0)
    assert "11/24(화) 16:00에 엽니다" in said
    assert texted(point, phone, "4", now + timedelta(hours=5, minutes=30))[0].why == "here"


def test_where_a_place_has_no_hours_only_the_day_is_named(point, reader, phone, now):
    SpecialDay.objects.create(library=point.library, day=rows.day("2026-11-24"))
    steps.ready(steps.asked(reader, point))
    assert "11/25(수)에 엽니다" in texted(point, phone, "4", now)[1]


def test_a_household_arrives_with_one_text(point, now):
    family = rows.household(together=True)
    phones = [rows.mobile() for _ in range(2)]
    bags = [
        steps.ready(steps.asked(rows.patron(point.library, number=number, household=family), point))
        for number in phones
    ]
    texted(point, phones[0], "4", now)
    assert {steps.again(bag).visit_id for bag in bags} == {Visit.objects.get().pk}


# Several orders, shared telephones


def two_strangers_with_one_telephone(point, phone):
    """Two patrons who merely share a line, each with a ready order."""
    return [steps.ready(steps.asked(rows.patron(point.library, number=phone), point)) for _ in range(2)]


@pytest.mark.parametrize(("body", "why"), [("4", "here"), ("3", "given_back")])
@pytest.mark.parametrize("how", ["digit", "number"])
def test_two_orders_on_one_telephone_are_told_apart_by_number_and_no_name_is_said(point, phone, now, body, why, how):
    first, second = two_strangers_with_one_telephone(point, phone)
    row, said = texted(point, phone, body, now)
    assert (row.why, said) == (
        "asked_which",
        f"[성동도서관] 어느 신청입니까? 5={first.shown} 6={second.shown}. 숫자로 답해 주세요.",
    )
    assert not any(order.patron.name in said for order in (first, second))
    row, said = texted(point, phone, "6" if how == "digit" else second.shown, now)
    assert row.why == why
    assert second.shown in said
    assert (steps.again(first).state, steps.again(first).visit_id) == ("ready", None)


def test_the_order_that_was_asked_about_last_is_the_one_that_is_answered(point, phone, now):
    first, second = two_strangers_with_one_telephone(point, phone)
    for minute, order in enumerate((second, first)):
        rows.slot(point, now + timedelta(hours=6, minutes=20 * minute), capacity=1)
        offers.offer_ready(now=now + timedelta(minutes=minute), order_ids=[order.pk])
    row, said = texted(point, phone, "1", now + timedelta(minutes=5))
    assert (row.about, first.shown in said) == (f"order:{first.pk}", True)
    assert steps.again(second).appointment.state == "offered"
    row, said = texted(point, phone, "1", now + timedelta(minutes=6))
    assert row.about == f"order:{second.pk}"


def test_a_family_of_one_promise_is_confirmed_by_one_yes_but_given_back_one_by_one(point, now):
    phone = rows.mobile()
    bags = []
    for _ in range(2):
        who = rows.patron(point.library)
        driver = rows.contact(who, number=phone, own=False, name="운전자")
        bags.append(steps.ready(steps.asked(who, point, collector_id=driver.pk)))
    rows.slot(point)
    offers.offer_ready(now=now)
    assert texted(point, phone, "1", now)[0].why == "confirmed"
    assert texted(point, phone, "3", now)[0].why == "asked_which"
    assert set(Order.objects.values_list("state", flat=True)) == {"ready"}
    assert Appointment.objects.get().state == "confirmed"


def test_an_order_number_alone_says_how_it_stands(point, reader, phone, now):
    order = steps.asked(reader, point)
    row, said = texted(point, phone, order.shown, now)
    assert (row.why, order.shown in said) == ("order_number", True)


@pytest.mark.parametrize(("answered", "begins"), [(False, "예정 "), (True, "확인")])
def test_an_order_number_confirms_nothing_that_is_only_offered(point, reader, phone, now, answered, begins):
    order = offered(point, reader, now)
    if answered:
        texted(point, phone, "1", now)
    _row, said = texted(point, phone, order.shown, now + timedelta(hours=2))
    assert begins in said
    assert ("1=예" in said) is not answered


def test_where_the_time_is_told_by_text_a_yes_by_text_has_one_answer(point, reader, phone, now):
    PointRules.objects.update(promise="at_order", tell_fixed=True)
    slot = rows.slot(point)
    order = steps.asked(reader, point)
    appointments.promise(order_id=order.pk, slot_id=slot.pk, by=DESK, now=now, chosen=False)
    Message.objects.all().delete()
    assert texted(point, phone, "1", now)[0].why == "confirmed"
    assert list(Message.objects.values_list("template", flat=True)) == ["answer_confirmed"]


def test_who_chooses_a_time_at_night_is_answered_at_once(point, reader, phone, now):
    steps.ready(steps.asked(reader, point))
    night = now + timedelta(hours=13)  # 23:00 in Seoul
    rows.slot(point, night + timedelta(hours=12))
    texted(point, phone, "2", night)
    row, said = texted(point, phone, "5", night)
    assert (row.why, "11:00" in said) == ("time_chosen", True)


def test_who_wants_no_texts_is_asked_for_no_answer(point, reader, phone, now):
    PointRules.objects.update(silence="lapse")
    consent.opt_out(number=phone, source="staff", now=now)
    order = offered(point, reader, now)
    assert not Question.objects.exists()
    assert "1=예" not in Call.objects.get().say
    lapses.answers_due(now=order.appointment.answer_by)
    assert steps.again(order).appointment.state == "confirmed"


def test_somebody_elses_order_number_tells_nothing(point, reader, phone, now):
    theirs = steps.asked(rows.patron(point.library), point)
    steps.asked(reader, point)
    row, said = texted(point, phone, theirs.shown, now)
    assert (row.why, theirs.shown in said) == ("not_understood", False)


def test_another_librarys_number_does_not_answer_for_this_one(point, reader, phone, now):
    order = offered(point, reader, now)
    other = rows.point(rows.library(sender=rows.sender(number="+821000000002").key))
    row, said = texted(other, phone, "3", now)
    assert (row.why, steps.again(order).state) == ("at_another_point", "ready")
    assert said == f"[{point.library.name_ko}] 신청 {order.shown}의 책은 {point.name_ko}에 있습니다. 문의 02-100-6440"
    stranger = rows.contact(rows.patron(other.library), number="+821000009191").number
    row, said = texted(other, stranger, "4", now)
    assert (row.why, order.shown in said) == ("nothing_open", False)


# Nothing to answer


def test_who_has_collected_hears_when(point, reader, phone, now):
    order = steps.handed_over(steps.ready(steps.asked(reader, point)), now=now + timedelta(hours=4, minutes=2))
    row, said = texted(point, phone, "1", now + timedelta(hours=6))
    assert row.why == "already_handed_over"
    assert said == f"[성동도서관] 신청 {order.shown} 14:02에 이미 수령하셨습니다. 문의 02-100-6440"
    assert texted(point, phone, "1", now + timedelta(days=1))[0].why == "nothing_open"


def test_who_has_nothing_to_collect_hears_so(point, reader, phone, now):
    row, said = texted(point, phone, "2", now)
    assert (row.state, row.why) == ("applied", "nothing_open")
    assert "받으실 책이 없습니다" in said


def test_a_stranger_gets_one_friendly_line_an_hour_and_the_staff_get_every_text(point, now):
    number = rows.mobile()
    first, said = texted(point, number, "1", now)
    second, nothing = texted(point, number, "누구세요?", now + timedelta(minutes=1))
    later, again = texted(point, number, "?", now + timedelta(hours=1))
    assert [row.state for row in (first, second, later)] == ["parked"] * 3
    assert first.why == "unknown_number"
    assert (bool(said), nothing, bool(again)) == (True, "", True)


@pytest.mark.parametrize(
    "body",
    [
        "",
        "\u200b",
        "가" * 1600,
        "'; DROP TABLE orders; --",
        "<script>alert(1)</script>",
        "\u202e1\u202c2",
        "5" * 40,
        "0",
        "🙈",
    ],
)
def test_whatever_somebody_writes_is_kept_for_the_staff_and_changes_nothing(point, reader, phone, now, body):
    order = offered(point, reader, now)
    row, _said = texted(point, phone, body, now)
    assert row.state == "parked"
    assert InboundMessage.objects.get(pk=row.pk).body == body
    assert (steps.again(order).state, steps.again(order).appointment.state) == ("ready", "offered")


def test_what_is_refused_goes_to_the_staff_with_its_reason(point, reader, phone, now):
    order = offered(point, reader, now)
    texted(point, phone, "2", now)
    point.rules.by_appointment = False
    point.rules.save()
    appointments.cancel(appointment_id=order.appointment_id, by=DESK, now=now)
    row, said = texted(point, phone, "5", now)
    assert (row.state, row.why) == ("parked", "no_times_here")
    assert "직원이 확인합니다" in said


# The parking place


@pytest.fixture
def bays(point):
    point.layout = "bays"
    point.save()
    return point


def test_who_stands_in_a_numbered_place_is_asked_for_it_and_any_digit_but_four_names_it(bays, reader, phone, now):
    order = steps.ready(steps.asked(reader, bays))
    row, said = texted(bays, phone, "4", now)
    visit = Visit.objects.get(orders=order)
    assert (row.why, visit.bay) == ("here", "")
    assert said == f"[성동도서관] {order.shown} 도착 접수되었습니다. 주차 자리 번호를 답해 주세요. 예: 자리 12"
    assert texted(bays, phone, "4", now + timedelta(minutes=1))[1].endswith("예: 자리 4")
    row, said = texted(bays, phone, "3", now + timedelta(minutes=2))  # and gives nothing back
    assert (row.why, row.about, said) == (
        "here",
        f"visit:{visit.pk}",
        f"[성동도서관] {order.shown} 3번 자리로 가져다드립니다. 차에서 기다려 주세요.",
    )
    assert (Visit.objects.get().bay, steps.again(order).state) == ("3", "ready")
    assert "4번 자리로" in texted(bays, phone, "자리 4", now + timedelta(minutes=3))[1]  # they have driven on
    assert Visit.objects.get().bay == "4"
    texted(bays, phone, "3", now + timedelta(minutes=4))  # who is known to stand somewhere gives back with a 3
    assert steps.again(order).state == "cancelled"


def test_one_text_says_i_am_here_and_where(bays, reader, phone, now):
    order = steps.asked(reader, bays)
    assert "책을 담는 대로 B7번 자리로" in texted(bays, phone, "도착 b7", now)[1]
    steps.ready(order)
    arrive(steps.ready(steps.asked(rows.patron(bays.library), bays)), now - timedelta(minutes=1))
    lane.call_next(point_id=bays.pk, by=DESK, now=now)
    Contact.objects.filter(patron=reader).update(language="en")
    assert "we come to place B7 in about" in texted(bays, phone, "4", now + timedelta(minutes=1))[1]
    lane.call_next(point_id=bays.pk, by=DESK, now=now + timedelta(minutes=2))
    assert "we come to place B7." in texted(bays, phone, "4", now + timedelta(minutes=3))[1]


def test_the_place_is_not_lost_when_it_is_asked_which_order(bays, phone, now):
    mine = [steps.ready(steps.asked(rows.patron(bays.library, number=phone), bays)) for _ in range(2)]
    assert texted(bays, phone, "place 12", now)[0].why == "asked_which"
    assert "12번 자리로" in texted(bays, phone, "6", now)[1]
    assert Visit.objects.get(orders=mine[1]).bay == "12"


def test_where_places_have_no_numbers_such_a_text_is_for_the_staff(point, reader, phone, now):
    steps.ready(steps.asked(reader, point))
    assert texted(point, phone, "도착 12", now)[0].why == "not_understood"
    assert not Visit.objects.exists()


# The sentences


ANSWERS = sorted(wordings._ANSWERING)
LONGEST = {
    "number": "47-21",
    "phone": "02-2204-6440",
    "ahead": 12,
    "minutes": 120,
    "lane": "A2",
    "bay": "B112",
    "at": "14:02",
    "place": "Parking bays of the library",
}


@pytest.mark.parametrize("key", ANSWERS)
def test_korean_answers_fit_a_short_text(key):
    values = {
        **LONGEST,
        "library": "성동도서관",
        "place": "성동도서관 주차면",
        "when": "11/25(수) 16:00",
        "until": "11/28(토)",
        "options": "5=47-21 6=47-22" if key == "answer_which" else "5=11/25 16:00 6=11/26 16:15 7=11/27 16:30",
    }
    body = wording.render(key=key, language="ko", values=values)
    assert encoding.ucs2_length(body) <= 70
    assert encoding.euckr_bytes(body) <= 90
    assert encoding.carried_in_korea(body) == ()


@pytest.mark.parametrize("key", ANSWERS)
def test_english_answers_fit_one_segment(key):
    values = {
        **LONGEST,
        "library": "Seongdong Library",
        "when": "Wed 25 Nov 16:00",
        "until": "Sat 28 Nov",
        "options": "5=25 Nov 16:00 6=26 Nov 16:15 7=27 Nov 16:30",
    }
    assert encoding.segments(wording.render(key=key, language="en", values=values)) == 1


def test_who_needs_room_by_now_is_offered_and_gets_an_accessible_place(point, reader, phone, now):
    order = offered(point, reader, now)
    reader.accessible_place = True
    reader.save()
    point.slots.update(accessible=0)
    wide = point.slots.latest("starts_at")
    point.slots.filter(pk=wide.pk).update(accessible=1)
    assert texted(point, phone, "2", now)[0].why == "times_offered"
    assert texted(point, phone, "5", now)[0].why == "time_chosen"
    changed = steps.again(order).appointment
    wide.refresh_from_db()
    assert (changed.slot_id, changed.accessible, wide.booked_accessible) == (wide.pk, True, 1)
