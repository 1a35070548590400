"""The pages of the rules: who sees them, who changes them, what a change would have meant, its history."""

from __future__ import annotations

from datetime import time, timedelta

import pytest
from django.core.exceptions import ObjectDoesNotExist
from django.db import DatabaseError, transaction
from django.forms.models import model_to_dict
from django.urls import reverse

from config import checks
from core import clock
from lending import loans, members, programmes, queries, strikes, wishes
from lending.models import Library, Loan, Membership, Patron, Programme, ProgrammeChange
from lending.reservations import Item
from lending.staff_forms import RulesForm
from pickup import orders
from tests import rows
from tests.pickup import steps

pytestmark = pytest.mark.django_db


@pytest.fixture
def point():
    return rows.point()


@pytest.fixture
def manager(client, point):
    account = rows.staff(point.library, role=Membership.Role.MANAGER)
    client.force_login(account)
    return client


def typed(programme, **changes):
    """What the form sends: every rule, some of them changed, and the last change that its page has shown."""
    values = {**model_to_dict(programme, RulesForm.Meta.fields), **changes}
    plain = {name: "" if value is None else value for name, value in values.items() if value is not False}
    for name in ("volumes_excluded", "remind_before", "remind_after"):
        plain[name] = ",".join(str(one) for one in values[name])
    return {"seen": programmes.last_change(programme.pk), "key": "k1", **plain}


def page(client, programme, **changes):
    return client.post(reverse("programme", args=[programme.pk]), typed(programme, **changes))


def test_a_look_changes_nothing_and_says_how_many_orders_it_would_have_refused(manager, point):
    programme = point.library.programme
    reader = rows.patron(point.library)
    titles = [rows.copy(at=point.library).title for _ in range(4)]
    now = clock.now()
    rows.reserve(reader, *titles[:3], at=point, now=now)
    rows.reserve(rows.patron(point.library), titles[3], at=point, now=now)
    shown = page(manager, programme, volumes=2, step="look")
    assert shown.status_code == 200
    (difference,) = shown.context["differences"]
    assert (difference.was, difference.becomes, difference.refused) == ("5", "2", 1)
    assert shown.context["effect"].orders == 2
    programme.refresh_from_db()
    assert (programme.volumes, ProgrammeChange.objects.count()) == (5, 0)


def test_a_look_counts_orders_of_kinds_that_would_not_be_lent(manager, point):
    programme, now = point.library.programme, clock.now()
    for kinds in (["video", "book"], ["book"], ["video", "video"]):
        titles = [rows.copy(rows.title(material=kind), point.library).title for kind in kinds]
        rows.reserve(rows.patron(point.library), *titles, at=point, now=now)
    copy = rows.copy(at=point.library, volume="부록")
    rows.reserve(rows.patron(point.library), Item(copy.title_id, "부록"), at=point, now=now)
    shown = page(manager, programme, materials_excluded=["video"], volumes_excluded=["부록"], step="look")
    assert [one.refused for one in shown.context["differences"]] == [2, 1]


def test_a_look_counts_who_stands_further_back_in_line_today(manager, point):
    programme, now = point.library.programme, clock.now()
    copy = rows.copy(at=point.library)
    waiting = [rows.reserve(rows.patron(point.library), copy.title, at=point, now=now)[0] for _ in range(5)][1:]
    until = now.date() + timedelta(days=9)
    wishes.suspend(reservation_id=waiting[0].pk, until=until, by=rows.RULE, now=now)
    shown = page(manager, programme, waiting_per_copy=3, waiting_most=2, step="look")
    assert [(one.beyond, one.counted) for one in shown.context["differences"]] == [(1, True), (2, True)]
    told = page(manager, programme, waiting_most=4, step="look", key="k2")
    assert [one.beyond for one in told.context["differences"]] == [0]


def struck(point, *ago: int):
    """A patron who let so many bags go, each so many days ago."""
    who, now = rows.patron(point.library), clock.now()
    for days in ago:
        at = now - timedelta(days=days)
        strikes.note(patron_id=who.pk, library_id=point.library_id, kind="uncollected", now=at)
    return who


def test_a_look_counts_who_would_be_paused_for_strikes_today(manager, point):
    programme = point.library.programme
    settings = {"strikes": 3, "strikes_for": ["uncollected"], "strike_days": 30, "pause_days": 30}
    programmes.change(programme_id=programme.pk, values=settings, by=rows.RULE, now=clock.now())
    programme.refresh_from_db()
    struck(point, 1, 2, 3)
    struck(point, 1, 20)
    struck(point, 9)
    forgiven = struck(point, 1, 2)
    strikes.forgive(patron_id=forgiven.pk, programme_id=programme.pk, by=rows.RULE, now=clock.now())
    shown = page(manager, programme, strikes=2, step="look")
    (difference,) = shown.context["differences"]
    assert (difference.paused.was, difference.paused.becomes) == (1, 2)
    assert "2 in place of 1" in shown.content.decode() or "1명에서 2명" in shown.content.decode()
    shorter = page(manager, programme, strikes=2, strike_days=10, step="look").context
    assert {one.paused.becomes for one in shorter["differences"]} == {1}
    none = page(manager, programme, strikes="", step="look").context["differences"]
    assert [one.paused.becomes for one in none] == [0]


def late(point, *, now, back=None, days=2):
    """A patron whose book is so many days overdue now, or came back `back` days ago so many days late."""
    who, copy = rows.patron(point.library), rows.copy(at=point.library)
    lent = now - timedelta(days=60)
    loan = loans.check_out(copy_id=copy.pk, patron_id=who.pk, library_id=point.library_id, by=rows.RULE, now=lent)
    due_on = queries.today(point.library, now) - timedelta(days=days + (back or 0))
    Loan.objects.filter(pk=loan.pk).update(due_on=due_on)
    if back is not None:
        at = now - timedelta(days=back)
        loans.take_back(barcode=copy.barcode, library_id=point.library_id, by=rows.RULE, now=at)
    return who


def late_books(programme, becomes, *, now=rows.NOW):
    """Whom another `overdue_pause` would keep from ordering: before, after, of how many days."""
    programme.refresh_from_db()
    found = programmes.effect(programme=programme, values={"overdue_pause": becomes}, now=now)
    paused = found.paused["overdue_pause"]
    return paused.was, paused.becomes, paused.days


def test_a_look_counts_who_could_not_order_today_for_late_books(point):
    programme, now = point.library.programme, rows.NOW
    late(point, now=now)
    late(point, now=now, back=4)
    late(point, now=now, back=9)
    late(point, now=now, back=1, days=0)  # in time
    late(point, now=now, back=3, days=-2)
    assert [late_books(programme, rate) for rate in (1, 2, 5)] == [(0, 1, 28), (0, 2, 28), (0, 3, 28)]
    Programme.objects.filter(pk=programme.pk).update(overdue_pause=2)
    assert [late_books(programme, rate) for rate in (0, 1, 5)] == [(2, 0, 28), (2, 1, 28), (2, 3, 28)]


def test_who_has_and_had_late_books_is_one_person_and_who_was_forgiven_none(point):
    programme, now = point.library.programme, rows.NOW
    Programme.objects.filter(pk=programme.pk).update(overdue_pause=3)
    twice, forgiven = late(point, now=now, back=4), late(point, now=now, back=4)
    Loan.objects.filter(patron=late(point, now=now)).update(patron=twice)
    strikes.forgive(patron_id=forgiven.pk, programme_id=programme.pk, by=rows.RULE, now=now)
    assert late_books(programme, 5) == (1, 1, 28)


def test_late_books_are_counted_for_as_long_as_it_is_known_whose_they_were(point, settings):
    late(point, now=rows.NOW, back=9)
    late(point, now=rows.NOW, back=15)
    assert late_books(point.library.programme, 10) == (0, 2, 28)
    settings.RETENTION_DAYS = 14
    assert late_books(point.library.programme, 10) == (0, 1, 14)


def test_a_bag_that_was_lent_when_packed_and_not_collected_is_no_late_book():
    place = rows.point(rules={"by_appointment": False, "lend_at": "packing", "keep_days": 3})
    order = steps.ready(steps.asked(rows.patron(place.library), place))
    Loan.objects.update(due_on=rows.NOW.date())
    ended = rows.NOW + timedelta(days=20)
    orders.expire_due(now=ended)
    assert (steps.again(order).state, Loan.objects.get().state) == ("expired", "returned")
    assert late_books(place.library.programme, 10, now=ended) == (0, 0, 28)


def test_rules_that_no_library_lends_by_on_normal_days_have_no_late_books(point):
    late(point, now=rows.NOW)
    found = programmes.effect(programme=rows.programme(), values={"overdue_pause": 2}, now=rows.NOW)
    assert found.paused == {}


@pytest.mark.parametrize(
    ("language", "said"), [("en", "had it always been so: 1 in place of 0"), ("ko", "0명에서 1명으로")]
)
def test_the_page_says_whom_a_pause_for_late_books_keeps_from_ordering(manager, point, language, said):
    late(point, now=clock.now())
    shown = page(manager, point.library.programme, overdue_pause=2, step="look")
    assert [one.counted for one in shown.context["differences"]] == [True]
    manager.defaults["HTTP_ACCEPT_LANGUAGE"] = language
    text = page(manager, point.library.programme, overdue_pause=2, step="look").content.decode()
    assert said in text
    assert "28" in text


@pytest.mark.parametrize(
    "changes", [{"strikes_for": ["uncollected", "missed"]}, {"pause_days": 31}], ids=["a new kind", "a longer memory"]
)
def test_a_look_does_not_guess_what_was_never_noted_or_is_forgotten(manager, point, changes):
    programme = point.library.programme
    settings = {"strikes": 3, "strikes_for": ["uncollected"], "strike_days": 30, "pause_days": 30}
    programmes.change(programme_id=programme.pk, values=settings, by=rows.RULE, now=clock.now())
    programme.refresh_from_db()
    (difference,) = page(manager, programme, **changes, step="look").context["differences"]
    assert (difference.paused, difference.counted) == (None, False)


def test_the_cutoff_of_the_courier_is_typed_as_a_time_and_shown_in_the_history(manager, point):
    programme = point.library.programme
    (difference,) = page(manager, programme, transfer_cutoff="17:00", step="look").context["differences"]
    assert (difference.was, difference.becomes) == ("at any hour", "17:00") or difference.becomes == "17:00"
    assert page(manager, programme, transfer_cutoff="17:00", step="save").status_code == 303
    programme.refresh_from_db()
    assert programme.transfer_cutoff == time(17)
    assert "17:00" in manager.get(reverse("programme", args=[programme.pk])).content.decode()
    assert "transfer_cutoff" in page(manager, programme, transfer_cutoff="25:00", step="look").context["form"].errors


def test_a_title_is_not_refused_for_longer_than_it_is_known_who_let_it_go(manager, point, settings):
    settings.RETENTION_DAYS = 28
    programme = point.library.programme
    said = page(manager, programme, relend_days=29, step="look")
    assert said.status_code == 400
    assert "28" in str(said.context["form"].errors["relend_days"])
    with pytest.raises(programmes.NoSuchRule):
        programmes.change(programme_id=programme.pk, values={"relend_days": 29}, by=rows.RULE, now=rows.NOW)
    changed = programmes.change(programme_id=programme.pk, values={"relend_days": 28}, by=rows.RULE, now=rows.NOW)
    assert changed is not None
    settings.RETENTION_DAYS = 14  # the operator keeps less from now on
    (warning,) = checks.rules_can_be_kept(databases=["default"])
    assert programme.key in warning.msg
    assert "14" in warning.msg


def test_a_look_says_what_is_not_estimated(manager, point):
    programme, said = point.library.programme, "is not estimated"
    manager.defaults["HTTP_ACCEPT_LANGUAGE"] = "en"
    assert said in page(manager, programme, loan_days=28, step="look").content.decode()
    for counted in ({"volumes": 4}, {"waiting_most": 2}, {"name_en": "Another name"}, {"volumes_per": "patron"}):
        assert said not in page(manager, programme, **counted, step="look").content.decode()


def test_a_look_says_what_counting_by_somebody_else_means_for_the_limits(manager, point):
    family = rows.household()
    for _ in range(2):
        titles = [rows.copy(at=point.library).title for _ in range(3)]
        rows.reserve(rows.patron(point.library), *titles, at=point, now=clock.now())
    Patron.objects.filter(home=point.library).update(household=family)
    programme = point.library.programme
    programme.volumes_per = "patron"
    programme.save()
    shown = page(manager, programme, volumes_per="household", step="look")
    assert [(one.label, one.refused) for one in shown.context["differences"]] == [
        (RulesForm.label_of("volumes_per"), None),
        (RulesForm.label_of("volumes"), 1),
    ]


def test_one_click_later_the_rules_are_others_and_the_history_tells(manager, point):
    programme = point.library.programme
    answer = page(manager, programme, volumes="", waiting_most=3, strikes_for=["missed"], strikes=2, step="save")
    assert answer.status_code == 303
    programme.refresh_from_db()
    assert (programme.volumes, programme.waiting_most, programme.strikes_for) == (None, 3, ["missed"])
    change = ProgrammeChange.objects.get(programme=programme)
    assert change.was["volumes"] == 5
    assert change.became["volumes"] is None
    assert change.principal.startswith("staff:")
    again = manager.get(reverse("programme", args=[programme.pk]))
    ((_row, _who, told),) = again.context["changes"]
    assert (told[0].label, told[0].was) == (RulesForm.label_of("volumes"), "5")


def test_the_history_names_who_changed_the_rules(client, point):
    boss = rows.staff(point.library, role=Membership.Role.MANAGER, first_name="한지우")
    client.force_login(boss)
    programme = point.library.programme
    page(client, programme, volumes=4, step="save")
    programmes.change(programme_id=programme.pk, values={"volumes": 3}, by=rows.RULE, now=clock.now())
    told = client.get(reverse("programme", args=[programme.pk]), headers={"accept-language": "en"}).content.decode()
    assert "한지우" in told
    assert "the service itself" in told
    assert f"staff:{boss.pk}" not in told


def test_whoever_has_no_name_stays_what_the_history_keeps(point):
    nameless, gone = rows.staff(point.library), "staff:999999999"
    kept = [f"staff:{nameless.pk}", gone, "device:x", "staff:²", "patron"]
    names = members.names_of(kept)
    assert [names.get(one, one) for one in kept] == [nameless.username, gone, "device:x", "staff:²", "patron"]


def test_history_is_never_rewritten(manager, point):
    page(manager, point.library.programme, volumes=4, step="save")
    with pytest.raises(DatabaseError), transaction.atomic():
        ProgrammeChange.objects.update(principal="somebody else")
    with pytest.raises(DatabaseError), transaction.atomic():
        ProgrammeChange.objects.all().delete()


@pytest.mark.parametrize("wrong", [{"volumes": 0}, {"loan_days": ""}, {"week": "moon"}, {"overdue_pause": 11}])
def test_a_number_that_is_no_rule_is_shown_beside_its_field(manager, point, wrong):
    shown = page(manager, point.library.programme, **wrong, step="save")
    assert shown.status_code == 400
    assert set(shown.context["form"].errors) == set(wrong)
    assert ProgrammeChange.objects.count() == 0


def test_a_pause_without_days_is_told_in_a_sentence(manager, point):
    shown = page(manager, point.library.programme, strikes=2, strike_days=0, step="save")
    assert (shown.status_code, ProgrammeChange.objects.count()) == (400, 0)


def test_a_librarian_reads_and_only_a_manager_changes(client, point):
    client.force_login(rows.staff(point.library))
    address = reverse("programme", args=[point.library.programme_id])
    assert client.get(address).status_code == 200
    assert page(client, point.library.programme, volumes=4, step="save").status_code == 403
    assert ProgrammeChange.objects.count() == 0


def test_other_programmes_are_nobodys_business(manager, client, point):
    other = rows.library()
    assert page(manager, other.programme, volumes=4, step="save").status_code == 404
    assert str(other.programme) not in manager.get(reverse("rules")).content.decode()
    client.logout()
    assert client.get(reverse("rules")).status_code == 302


def test_a_manager_of_the_surge_programme_sees_it(manager, point):
    surge = rows.programme()
    Library.objects.filter(pk=point.library_id).update(surge_programme=surge)
    assert manager.get(reverse("programme", args=[surge.pk])).status_code == 200


def test_sent_twice_it_is_one_change(manager, point):
    programme = point.library.programme
    address, sent = reverse("programme", args=[programme.pk]), typed(programme, volumes=4, step="save")
    assert [manager.post(address, sent).status_code for _ in range(2)] == [303, 303]
    assert ProgrammeChange.objects.count() == 1


def test_what_a_colleague_changed_meanwhile_is_not_lost(manager, point):
    programme = point.library.programme
    opened = typed(programme, volumes=4, key="k2")
    page(manager, programme, loan_days=28, step="save")
    address = reverse("programme", args=[programme.pk])
    for step in ("look", "save"):
        told = manager.post(address, {**opened, "step": step}, headers={"accept-language": "en"})
        assert (told.status_code, told.context["differences"]) == (409, [])
        assert "Somebody has changed these rules meanwhile" in told.content.decode()
        assert told.context["form"]["volumes"].value() == "4"  # what was typed stays
        assert f'name="seen" value="{programmes.last_change(programme.pk)}"' in told.content.decode()
    programme.refresh_from_db()
    assert (programme.volumes, programme.loan_days, ProgrammeChange.objects.count()) == (5, 28, 1)
    sent = {**opened, "seen": told.context["last"]}
    looked = manager.post(address, {**sent, "step": "look"})
    assert len(looked.context["differences"]) == 2  # also that the colleague's rule would go back
    assert f'name="seen" value="{sent["seen"]}"' in looked.content.decode()
    assert manager.post(address, {**sent, "loan_days": 28, "step": "save", "key": "k3"}).status_code == 303
    programme.refresh_from_db()
    assert (programme.volumes, programme.loan_days) == (4, 28)


@pytest.mark.parametrize("seen", ["", "-1", "x", str(10**30)])
def test_a_form_that_does_not_say_what_it_has_seen_saves_nothing_over_a_change(manager, point, seen):
    programme = point.library.programme
    page(manager, programme, loan_days=28, step="save")
    assert page(manager, programme, volumes=4, seen=seen, key="k2", step="save").status_code in {400, 409}
    programme.refresh_from_db()
    assert (programme.volumes, programme.loan_days) == (5, 28)


def test_rules_are_changed_only_where_it_is_noted(admin_client, point):
    address = f"/admin/lending/programme/{point.library.programme_id}/change/"
    assert admin_client.get(address).status_code == 200
    assert admin_client.post(address, typed(point.library.programme, volumes=1)).status_code == 403
    assert admin_client.get("/admin/lending/programme/add/").status_code == 200


def test_what_looks_like_an_order_of_a_week_ago_counts_in_its_own_week(point):
    programme = point.library.programme
    reader = rows.patron(point.library)
    for weeks in (2, 1, 0):
        at = rows.NOW - timedelta(weeks=weeks)
        rows.reserve(reader, rows.copy(at=point.library).title, at=point, now=at)
        rows.reserve(reader, rows.copy(at=point.library).title, at=point, now=at)
    found = programmes.effect(programme=programme, values={"volumes": 1, "volumes_per_order": 1}, now=rows.NOW)
    assert (found.orders, dict(found.refused)) == (6, {"volumes": 3, "volumes_per_order": 0})


def test_a_rule_that_does_not_exist_is_refused(point):
    with pytest.raises(programmes.NoSuchRule):
        programmes.change(programme_id=point.library.programme_id, values={"books": 3}, by=rows.RULE, now=rows.NOW)
    with pytest.raises(ObjectDoesNotExist):
        programmes.change(programme_id=0, values={}, by=rows.RULE, now=rows.NOW)


@pytest.mark.parametrize(
    ("language", "count", "sentence"),
    [
        ("en", "2 entries need another look", "Entry 1: Enter a whole number."),
        ("ko", "2개 항목을 다시 확인해 주세요", "1번째 항목: "),
    ],
)
def test_a_page_of_rules_that_is_refused_begins_with_what_is_wrong(manager, point, language, count, sentence):
    programme = point.library.programme
    sent = {**typed(programme), "remind_before": "soon", "loan_days": "x"}
    answer = manager.post(reverse("programme", args=[programme.pk]), sent, headers={"Accept-Language": language})
    page = answer.content.decode()
    above = page[: page.index("<form", page.index("<h1"))]
    assert answer.status_code == 400
    assert page.count("autofocus") == above.count("autofocus") == 1
    assert all(said in above for said in (count, sentence, 'href="#id_remind_before"', 'href="#id_loan_days"'))
    assert 'id="id_remind_before"' in page
    assert count not in manager.get(answer.request["PATH_INFO"], headers={"Accept-Language": language}).content.decode()
