"""Classes with larger limits: kept by managers, given to patrons for a while or for good."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.urls import reverse

from core import clock
from core.refusal import BadInput, NotFound
from lending import allowances, quota
from lending.errors import AllowanceInUse
from lending.models import Allowance, Grant, Membership, ProgrammeChange
from tests import api, rows

pytestmark = pytest.mark.django_db
NOW = rows.NOW
MORE = {"name_ko": "더 빌리는 이용자", "name_en": "Larger limits", "volumes": 9}


@pytest.fixture
def point():
    return rows.point()


@pytest.fixture
def more(point):
    return put(point, **MORE)


def put(point, **values):
    programme_id = point.library.programme_id
    return allowances.put(programme_id=programme_id, key="more", values=values, by=rows.RULE, now=NOW)


def today(point):
    return NOW.astimezone(rows.SEOUL).date()


def grant(point, who, more, until=None):
    return allowances.grant(
        patron_id=who.pk, allowance_id=more.pk, until=until, today=today(point), by=rows.RULE, now=NOW
    )


def volumes(point, who, on):
    return quota.limits_of(who, point.library, today=on).volumes


def test_a_grant_holds_up_to_its_last_day(point, more):
    who, day = rows.patron(point.library), today(point)
    assert volumes(point, who, day) == 5
    grant(point, who, more, day + timedelta(days=7))
    assert (volumes(point, who, day + timedelta(days=7)), volumes(point, who, day + timedelta(days=8))) == (9, 5)
    grant(point, who, more)
    assert (volumes(point, who, day + timedelta(days=8)), Grant.objects.count()) == (9, 1)
    allowances.withdraw(patron_id=who.pk, allowance_id=more.pk)
    assert volumes(point, who, day) == 5
    with pytest.raises(NotFound):
        allowances.withdraw(patron_id=who.pk, allowance_id=more.pk)


def test_a_day_that_is_over_grants_nothing(point, more):
    with pytest.raises(BadInput):
        grant(point, rows.patron(point.library), more, today(point) - timedelta(days=1))
    assert not Grant.objects.exists()


def test_each_change_of_a_class_stands_in_the_history(point, more):
    put(point, volumes=12)
    put(point, volumes=12)
    made, changed = ProgrammeChange.objects.order_by("id")
    assert (made.was["more.volumes"], made.became["more.volumes"]) == (None, 9)
    assert (changed.was, changed.became) == ({"more.volumes": 9}, {"more.volumes": 12})
    with pytest.raises(BadInput):
        put(point, volumes=0)


def test_a_class_that_somebody_is_of_is_not_removed(point, more):
    who = rows.patron(point.library)
    grant(point, who, more)
    with pytest.raises(AllowanceInUse):
        allowances.remove(allowance_id=more.pk, by=rows.RULE, now=NOW)
    allowances.withdraw(patron_id=who.pk, allowance_id=more.pk)
    allowances.remove(allowance_id=more.pk, by=rows.RULE, now=NOW)
    assert not Allowance.objects.exists()
    assert ProgrammeChange.objects.first().became["more.volumes"] is None


def page(client, point, **sent):
    return client.post(reverse("allowances", args=[point.library.programme_id]), {"key": f"k{rows.serial()}", **sent})


def test_a_manager_keeps_the_classes_on_a_page_and_reads_their_history(client, point):
    client.force_login(rows.staff(point.library, role=Membership.Role.MANAGER))
    assert page(client, point, short="more", **MORE).status_code == 303
    one = Allowance.objects.get()
    assert (one.key, one.volumes, one.loan_days) == ("more", 9, None)
    assert page(client, point, short="more", **MORE).status_code == 400
    assert page(client, point, allowance=one.pk, **{**MORE, "volumes": 11}).status_code == 303
    one.refresh_from_db()
    assert one.volumes == 11
    assert page(client, point, allowance=one.pk, **{**MORE, "volumes": 0}).status_code == 400
    history = client.get(reverse("programme", args=[point.library.programme_id])).content.decode()
    assert "more: " in history
    grant(point, rows.patron(point.library), one)
    page(client, point, allowance=one.pk, step="remove")
    assert Allowance.objects.count() == 1
    Grant.objects.all().delete()
    page(client, point, allowance=one.pk, step="remove")
    assert Allowance.objects.count() == 0


def test_a_librarian_reads_the_classes_and_others_do_not_know_them(client, point, more):
    client.force_login(rows.staff(point.library))
    address = reverse("allowances", args=[point.library.programme_id])
    assert "Larger limits" in client.get(address, headers={"Accept-Language": "en"}).content.decode()
    assert page(client, point, allowance=more.pk, **MORE).status_code == 403
    client.force_login(rows.staff(rows.library()))
    assert client.get(address).status_code == 404


def test_staff_grant_and_withdraw_on_the_patrons_page(client, point, more):
    client.force_login(rows.staff(point.library))
    who, other = rows.patron(point.library), rows.point()
    strange = put(other, **MORE)

    def act(what, **sent):
        address = reverse("patron-act", args=[who.pk, what]) + f"?point={point.pk}"
        return client.post(address, {"key": f"k{rows.serial()}", **sent}, follow=True)

    until = clock.now().date() + timedelta(days=30)
    shown = act("grant", allowance=more.pk, until=until.isoformat())
    assert ([one.until for one in shown.context["grants"]], Grant.objects.get().patron) == ([until], who)
    assert Grant.objects.get().granted_by.startswith("staff:")
    assert act("grant", allowance=strange.pk).status_code == 400
    assert act("grant", allowance=more.pk, until="2020-01-01").status_code == 400
    assert act("withdraw", allowance=strange.pk).status_code == 404
    assert list(act("withdraw", allowance=more.pk).context["grants"]) == []


def test_the_api_keeps_classes_and_grants_them(point):
    manager, librarian = api.librarian(point.library, role="manager"), api.librarian(point.library)
    address, body = f"programmes/{point.library.programme_id}/allowances", {"key": "more", **MORE}
    assert librarian.post(address, body, status=403)["code"] == "forbidden"
    made = manager.post(address, body)
    assert (made["volumes"], made["loan_days"]) == (9, None)
    assert manager.post(address, {**body, "loan_days": 28})["id"] == made["id"]
    who = rows.patron(point.library)
    card = {"card_number": who.card_number}
    given = librarian.post(f"allowances/{made['id']}/grant", {**card, "until": "2099-01-31"})
    assert (given["until"], given["card_number"]) == ("2099-01-31", who.card_number)
    assert [one["key"] for one in librarian.get("allowances", card_number=who.card_number)["results"]] == ["more"]
    assert manager.post(f"allowances/{made['id']}/remove", status=409)["code"] == "allowance_in_use"
    librarian.post(f"allowances/{made['id']}/withdraw", card)
    assert librarian.get("allowances", card_number=who.card_number)["results"] == []
    assert manager.post(f"allowances/{made['id']}/remove")["key"] == "more"
    stranger = api.librarian(rows.library())
    assert stranger.post(f"allowances/{made['id']}/grant", card, status=404)["code"] == "not_found"
