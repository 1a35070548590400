"""One call: what is heard, and what the keys do."""

from __future__ import annotations

from datetime import timedelta

import pytest

from core.models import Counter
from lending.models import Contact, SpecialDay
from notifications import voice
from notifications.models import Call, Sender
from pickup import elsewhere, lane, lapses, offers, orders, packing
from pickup.models import Appointment, PointRules, Visit
from pickup.spoken import COUNTED
from tests import rows
from tests.pickup import steps

pytestmark = pytest.mark.django_db(transaction=True)
HOUR = timedelta(hours=1)


@pytest.fixture
def point():
    sender = rows.sender(name_ko="성동도서관", name_en="Seongdong Library")
    return rows.point(rows.library(sender=sender.key))


@pytest.fixture
def phone():
    return rows.mobile()


@pytest.fixture
def reader(point, phone):
    return rows.patron(point.library, number=phone)


def offered(point, who, now, *, after=HOUR, order=None):
    """A ready order (or this one) with a time that begins after so long; the next ones are free."""
    for n in range(0 if point.slots.exists() else 4):
        rows.slot(point, now + after + n * HOUR)
    order = steps.ready(order or steps.asked(who, point))
    assert offers.offer_ready(now=now, order_ids=[order.pk]) == 1
    return steps.again(order)


class Line:
    """Somebody on the telephone: what was heard last, and the keys that answer it."""

    def __init__(self, point, number, now):
        self.sender = Sender.objects.get(key=point.library.sender)
        self.number, self.now, self.call_id = number, now, f"CA{rows.serial()}"
        self.heard = self._ask("", "")

    def _ask(self, step, keys):
        heard = voice.talk(
            call_id=self.call_id,
            from_number=self.number,
            to_number=self.sender.number,
            now=self.now,
            step=step,
            keys=keys,
        )
        assert heard is not None
        return heard

    def press(self, keys):
        assert self.heard.keys, "the call has ended"
        self.heard = self._ask(self.heard.step, keys)
        return self

    @property
    def said(self):
        return " ".join(one.text for one in self.heard.said)


def test_whoever_rings_near_the_time_is_checked_in_and_told_so(point, reader, phone, now):
    order = offered(point, reader, now)
    line = Line(point, phone, now + HOUR - timedelta(minutes=20))
    said = f"신청번호 {' '.join(order.number)}, 도착 접수되었습니다. 다음 차례입니다."
    assert line.said == f"{said} 아직 도착하지 않으셨으면 9번, 사서 연결은 0번을 눌러 주세요."
    assert (line.heard.keys, line.heard.dial) == (1, "")
    visit = Visit.objects.get()
    assert (visit.door, visit.state, steps.again(order).visit) == ("call", "waiting", visit)
    again = Line(point, phone, now + HOUR)
    assert Visit.objects.count() == 1
    assert "도착 접수되었습니다" in again.said


def test_where_a_place_has_no_hours_a_call_names_only_the_day(point, reader, phone, now):
    steps.ready(steps.asked(reader, point))
    SpecialDay.objects.create(library=point.library, day=rows.day("2026-11-24"))
    assert Line(point, phone, now + HOUR).press("4").said == "지금은 닫혀 있습니다. 11월 25일 수요일에 엽니다."


def test_cars_ahead_are_counted_as_people_say_it(point, phone, now):
    cars = []
    for _ in range(3):
        number = rows.mobile()
        cars.append((number, offered(point, rows.patron(point.library, number=number), now)))
    near = now + HOUR - timedelta(minutes=10)
    heard = [Line(point, number, near + timedelta(seconds=n)).said for n, (number, _order) in enumerate(cars)]
    assert [COUNTED[n] in said for n, said in enumerate(heard[1:], 1)] == [True, True]
    assert "앞에 두 대 있습니다." in heard[2]


@pytest.mark.parametrize(("language", "said"), [
    ("ko", "앞에 한 대 있습니다. 약 3분 기다리시면 됩니다."),
    ("en", "1 car is ahead of you. About 3 minutes to wait."),
])  # fmt: skip
def test_a_call_hears_about_how_long_it_takes_where_somebody_serves(point, phone, now, language, said):
    rows.lane(point)
    cars = []
    for number in (rows.mobile(), rows.mobile(), phone):
        patron = rows.patron(point.library, number=number)
        Contact.objects.filter(patron=patron).update(language=language)
        cars.append((number, offered(point, patron, now)))
    near = now + HOUR - timedelta(minutes=10)
    Line(point, cars[0][0], near)
    lane.call_next(point_id=point.pk, by=steps.DESK, now=near)
    next_one = Line(point, cars[1][0], near)
    soonest = ("다음 차례입니다. 약 2분 기다리시면 됩니다.", "You are next. About 2 minutes to wait.")
    assert any(one in next_one.said for one in soonest)
    assert said in Line(point, phone, near).said


def test_who_rang_from_home_is_taken_out_of_the_line_again_and_may_go_on(point, reader, phone, now):
    order = offered(point, reader, now)
    line = Line(point, phone, now + HOUR - timedelta(minutes=20))
    assert line.press("9").said.startswith("대기를 취소했습니다.")
    assert Visit.objects.get().state == "left"
    line.press("3").press("3")
    assert steps.again(order).state == "cancelled"


def test_another_key_after_the_arrival_says_again_how_it_stands_and_zero_rings_a_person(point, reader, phone, now):
    offered(point, reader, now)
    line = Line(point, phone, now + HOUR - timedelta(minutes=20))
    assert "도착 접수되었습니다" in line.press("5").said
    assert Visit.objects.get().state == "waiting"
    assert "사서가 곧 전화드리겠습니다." in line.press("0").said


def test_who_is_called_is_told_so_and_the_call_ends(point, reader, phone, now):
    rows.lane(point)
    offered(point, reader, now)
    near = now + HOUR - timedelta(minutes=20)
    Line(point, phone, near)
    lane.call_next(point_id=point.pk, by=steps.DESK, now=near)
    line = Line(point, phone, near)
    assert ("지금 차례입니다" in line.said, line.heard.keys) == (True, 0)


def test_who_stands_in_a_numbered_place_says_it_by_keys(point, reader, phone, now):
    point.layout = "bays"
    point.save()
    offered(point, reader, now)
    near = now + HOUR - timedelta(minutes=20)
    line = Line(point, phone, near)
    assert "주차 자리 번호를 알려 주시려면 5번을" in line.said
    assert line.press("5").said.startswith("주차 자리 번호를 누르고")
    assert "12번 자리로 가져다드립니다." in line.press("12").said
    assert "5번을" not in line.said  # it is known now
    assert Visit.objects.get().bay == "12"
    assert "9번 자리로" in line.press("5").press("9").said  # they have driven on; and are still here
    assert (Visit.objects.get().state, Visit.objects.get().bay) == ("waiting", "9")
    assert "고맙습니다" in line.press("5").press("").said
    [car] = lane.call_next(point_id=point.pk, by=steps.DESK, now=near)
    line = Line(point, phone, near)
    assert ("9번 자리로" in line.said, line.heard.keys) == (True, 0)
    Visit.objects.filter(pk=car.pk).update(bay="")
    line = Line(point, phone, near)  # they are looked for
    assert ("5번을" in line.said, "아직 도착하지" in line.said) == (True, False)
    assert "12번 자리로" in line.press("5").press("12").said


def test_who_has_no_time_for_a_ready_bag_hears_that_one_can_be_chosen(point, reader, phone, now):
    order = steps.ready(steps.asked(reader, point))
    rows.slot(point, now + 5 * HOUR)
    line = Line(point, phone, now)
    assert "시간을 고르시려면 2번," in line.said
    assert "그대로 두시려면" not in line.press("2").said
    line.press("5")
    assert steps.again(order).appointment.state == "confirmed"


def test_long_before_the_time_a_call_asks_what_is_wanted(point, reader, phone, now):
    order = offered(point, reader, now, after=5 * HOUR)
    line = Line(point, phone, now)
    assert "예약 시간은" in line.said
    assert "1번" in line.said
    assert not Visit.objects.exists()
    assert "뵙겠습니다" in line.press("1").said
    assert steps.again(order).appointment.state == "confirmed"
    assert line.heard.keys == 0


def test_another_time_is_chosen_by_key(point, reader, phone, now):
    order = offered(point, reader, now, after=5 * HOUR)
    line = Line(point, phone, now).press("2")
    assert "15시" in line.said or "16시" in line.said or "17시" in line.said
    line.press("6")
    changed = steps.again(order).appointment
    assert changed.state == "confirmed"
    assert changed.slot.starts_at > order.appointment.slot.starts_at
    assert Appointment.objects.filter(state="changed").count() == 1


def test_a_time_that_has_just_gone_is_offered_anew(point, reader, phone, now):
    offered(point, reader, now, after=5 * HOUR)
    line = Line(point, phone, now).press("2")
    taken = int(line.heard.step.split("-")[2])
    point.slots.filter(pk=taken).update(open=False)
    line.press("5")
    assert line.heard.step.startswith("times-")
    assert str(taken) not in line.heard.step.split("-")[2:]


def test_books_are_given_back_by_pressing_twice_and_never_by_one_slip(point, reader, phone, now):
    order = offered(point, reader, now, after=5 * HOUR)
    line = Line(point, phone, now).press("3")
    assert steps.again(order).state == "ready"
    line.press("9")
    assert steps.again(order).state == "ready"
    line.press("3").press("3")
    assert "취소했습니다" in line.said
    assert steps.again(order).state == "cancelled"


def test_what_stays_on_order_of_a_bag_that_is_given_back_is_said(point, reader, phone, now):
    offered(point, reader, now, after=5 * HOUR, order=steps.asked_more(reader, point, now=now))
    line = Line(point, phone, now).press("3").press("3")
    assert "더 올 책 1권의 신청은 그대로 남아 있습니다" in line.said


def test_whoever_presses_nothing_has_heard_what_they_wanted(point, reader, phone, now):
    offered(point, reader, now, after=5 * HOUR)
    assert Line(point, phone, now).press("").heard.keys == 0


@pytest.mark.parametrize("number", ["anonymous", "+266696687", "", "02-107", "+822107"])
def test_withheld_and_relay_numbers_key_in_order_and_telephone(point, reader, phone, now, number):
    order = offered(point, reader, now, after=5 * HOUR)
    line = Line(point, number, now)
    assert {said.language for said in line.heard.said} == {"ko", "en"}
    line.press(order.number)
    assert line.heard.step == f"phone-{order.number}"
    line.press(phone[-4:])
    assert line.heard.step == f"menu-{order.pk}"
    line.press("4")
    assert Visit.objects.get().door == "call"


@pytest.mark.parametrize(("state", "said"), [
    ("cancelled", "취소되었습니다."),
    ("expired", "기한 안에 찾아가지 않으셔서 마감되었습니다."),
])  # fmt: skip
def test_of_an_order_that_has_ended_no_call_says_that_it_is_packed(point, reader, now, state, said):
    order = offered(point, reader, now)
    line = Line(point, rows.mobile(), now)
    if state == "cancelled":
        orders.cancel(order_id=order.pk, by=steps.DESK, now=now)
    else:
        for settle in (lapses.answers_due, lapses.misses_due, orders.expire_due):
            settle(now=order.keep_until + HOUR)
    line.press(order.number).press(reader.contacts.get().number[-4:])
    assert line.said == f"신청번호 {' '.join(order.number)}, {said} 사서 연결은 0번을 눌러 주세요."
    assert line.heard.step == "person"


def test_who_waits_on_for_a_book_is_not_told_that_the_order_is_cancelled(point, reader, now):
    order = steps.asked(reader, point)
    packing.not_on_shelf(line_id=order.lines.get().pk, by=steps.DESK, now=now)
    said = Line(point, rows.mobile(), now).press(order.number).press(reader.contacts.get().number[-4:]).said
    assert "취소" not in said
    assert "순서는 그대로" in said


def test_the_number_of_a_bag_that_moved_leads_to_the_bag_at_the_other_place(point, reader, now):
    order = steps.asked(reader, point)
    other = rows.point(point.library)
    moved = elsewhere.collect_at(order_id=order.pk, point_id=other.pk, by=steps.DESK, now=now).order
    line = Line(point, rows.mobile(), now).press(order.number).press(reader.contacts.get().number[-4:])
    assert line.heard.step == f"menu-{moved.pk}"


def test_who_rings_before_the_books_are_here_hears_when_they_are_expected(point, phone, now):
    PointRules.objects.update(promise="at_order")
    programme = point.library.programme
    programme.transfer_days = 1
    programme.save(update_fields=["transfer_days"])
    rows.slot(point, now + 49 * HOUR)
    copy, reader = rows.copy(at=rows.library(programme=programme)), rows.patron(point.library, number=phone)
    steps.asked_for([copy.title], reader, point)
    line = Line(point, phone, now)
    assert "11월 25일 수요일" in line.said
    assert "4번" not in line.said
    assert "11월 25일 수요일" in line.press("4").said
    assert not Visit.objects.exists()


def test_people_on_foot_are_counted_as_people(phone, now):
    door = rows.point(layout="door", rules={"by_appointment": False})
    for number in (rows.mobile(), phone):
        steps.ready(steps.asked(rows.patron(door.library, number=number), door))
        said = Line(door, number, now).press("4").said
    assert "앞에 한 분 계십니다." in said


def test_a_stranger_learns_nothing_and_is_slowed(point, reader, phone, now):
    order = offered(point, reader, now, after=5 * HOUR)
    other = f"{(int(phone[-4:]) + 1) % 10000:04}"
    line = Line(point, "", now)
    for _ in range(10):
        line.press(order.number).press(other)
        assert line.heard.step == "number"
    line.press(order.number).press(phone[-4:])
    assert (line.heard.keys, Visit.objects.count()) == (0, 0)
    assert Counter.objects.exists()


def test_a_number_of_several_orders_keys_in_which(point, phone, now):
    family = [rows.patron(point.library, number=phone) for _ in range(2)]
    first, second = [offered(point, who, now, after=5 * HOUR) for who in family]
    line = Line(point, phone, now)
    assert line.heard.step == "number"
    assert line.press(second.number).heard.step == f"menu-{second.pk}"
    assert first.pk != second.pk


def test_a_known_number_with_nothing_is_told_so(point, reader, phone, now):
    line = Line(point, phone, now)
    assert "받으실 책이 없습니다" in line.said
    assert line.press("").heard.keys == 0


def test_a_person_is_reached_at_the_desk_else_calls_back_else_the_number_is_said(point, reader, phone, now):
    offered(point, reader, now, after=5 * HOUR)
    line = Line(point, phone, now).press("0")
    assert (line.heard.dial, Call.objects.get().number) == ("", phone)
    assert "곧 전화드리겠습니다" in line.said
    assert Line(point, "", now).press("").said.count("02-") >= 1
    Sender.objects.filter(key=point.library.sender).update(desk="+8221000099")
    assert Line(point, phone, now).press("0").heard.dial == "+8221000099"
    assert Call.objects.count() == 1


def test_the_wish_to_be_called_back_is_noted_once_a_call(point, reader, phone, now):
    offered(point, reader, now, after=5 * HOUR)
    line = Line(point, phone, now)
    step = line.heard.step
    for _ in range(3):
        line._ask(step, "0")
    assert Call.objects.count() == 1


def test_english_is_spoken_to_whoever_reads_english(point, now):
    number = rows.mobile()
    reader = rows.patron(point.library, number="")
    rows.contact(reader, number=number, language="en")
    order = offered(point, reader, now)
    line = Line(point, number, now + HOUR)
    assert line.said.startswith(f"Order {' '.join(order.number)}, you are checked in.")


@pytest.mark.parametrize("step", ["menu-", "menu-0", "menu-99999999999999999999", "times-1", "back-x", "zzz", "phone-"])
def test_a_step_that_nobody_said_harms_nothing(point, reader, phone, now, step):
    heard = voice.talk(
        call_id="CA1", from_number=phone, to_number=Sender.objects.get(key=point.library.sender).number, now=now,
        step=step, keys="3",
    )  # fmt: skip
    assert heard is not None
    assert heard.keys in {0, 4}


def test_an_order_of_another_library_is_out_of_reach(point, reader, phone, now):
    other = rows.point()
    theirs = steps.ready(steps.asked(rows.patron(other.library), other))
    line = Line(point, phone, now)
    line._ask(f"back-{theirs.pk}", "3")
    assert steps.again(theirs).state == "ready"


@pytest.mark.parametrize(
    ("language", "words"),
    [("ko", "책은 다른 도서관, {0}, {1}에 있습니다."), ("en", "Your books wait at another library: {0}, {1}.")],
)
def test_whoever_rings_the_wrong_library_hears_where_the_books_wait(point, now, language, words):
    number = rows.mobile()
    steps.ready(steps.asked(rows.patron(point.library, number=number, language=language), point))
    other = rows.point(rows.library())
    said = Line(other, number, now).said
    assert words.format(point.library.name_in(language), point.name_in(language)) in said
    stranger = rows.patron(other.library, number=rows.mobile(), language=language)
    assert point.name_in(language) not in Line(other, stranger.contacts.get().number, now).said
