"""What the administrators' desk may touch."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib import admin
from django.test import Client, RequestFactory

from core.moves import Moving
from lending import models
from lending.models import Account
from tests import rows

pytestmark = pytest.mark.django_db

ROOM = [model for model in admin.site._registry if model.__module__.startswith("lending")]
MAY_BE_DELETED = {models.Household, models.Token}


@pytest.fixture
def chief() -> Account:
    return Account.objects.create_superuser(username="chief", password="quiet please")


@pytest.mark.parametrize("model", ROOM, ids=lambda model: model.__name__)
def test_no_history_is_deleted_and_no_state_is_written(model: type, chief: Account) -> None:
    request = RequestFactory().get("/")
    request.user = chief
    desk = admin.site._registry[model]
    assert desk.has_delete_permission(request) == (model in MAY_BE_DELETED)
    if issubclass(model, Moving):
        assert not desk.has_add_permission(request)
        assert not desk.has_change_permission(request)
        assert desk.has_view_permission(request)


@pytest.mark.parametrize("model", ROOM, ids=lambda model: model.__name__)
def test_every_list_and_every_row_can_be_read(model: type, chief: Account) -> None:
    library = rows.library()
    patron = rows.patron(library, household=rows.household(), pin=rows.PIN)
    title = rows.title()
    rows.copy(title, library)
    rows.reserve(patron, title, at=rows.point(library))
    desk = admin.site._registry[model]
    request = RequestFactory().get("/", {"q": "1"} if desk.search_fields else {})
    request.user = chief
    page = desk.changelist_view(request)
    assert page.status_code == 200
    row = model._default_manager.first()  # type: ignore[attr-defined]
    if row is not None:
        request = RequestFactory().get("/")
        request.user = chief
        assert desk.change_view(request, str(row.pk)).status_code == 200


def test_rules_and_people_can_be_edited(chief: Account) -> None:
    request = RequestFactory().get("/")
    request.user = chief
    for model in (models.Library, models.PickupPoint, models.Patron, models.Account):
        assert admin.site._registry[model].has_change_permission(request)


def test_rules_of_a_programme_are_begun_here_and_changed_on_their_page(chief: Account) -> None:
    request = RequestFactory().get("/")
    request.user = chief
    desk = admin.site._registry[models.Programme]
    assert (desk.has_add_permission(request), desk.has_change_permission(request)) == (True, False)


def typed(page: Any) -> dict[str, object]:
    """The form of an administrators' page as it would be sent: of rows below it, none."""
    form = page.context["adminform"].form
    values = {field.html_name: field.value() for field in form}
    for one in page.context["inline_admin_formsets"]:
        values |= {f"{one.formset.prefix}-{name}_FORMS": "0" for name in ("TOTAL", "INITIAL")}
    return {name: value for name, value in values.items() if value is not None and value is not False}


def test_the_days_of_a_library_are_set_where_its_times_follow(chief: Account, client: Client) -> None:
    library = rows.library(weekly_closed=[0])
    models.SpecialDay.objects.create(library=library, day="2027-01-04", open=True)
    client.force_login(chief)
    address = f"/admin/lending/library/{library.pk}/change/"
    page = client.get(address)
    assert "/staff/days/" in page.content.decode()
    sent = {
        **typed(page), "phone": "02-100-6441", "weekly_closed": "0,1", "nth_closed": "1-1", "holidays": "KR",
        "special_days-TOTAL_FORMS": "1", "special_days-0-day": "2027-01-05", "special_days-0-library": library.pk,
    }  # fmt: skip
    assert client.post(address, sent).status_code == 302
    library.refresh_from_db()
    assert (library.phone, library.weekly_closed, library.nth_closed, library.holidays) == ("02-100-6441", [0], [], "")
    assert library.special_days.count() == 1


def test_a_new_library_begins_with_its_days(chief: Account, client: Client) -> None:
    client.force_login(chief)
    assert 'name="weekly_closed"' in client.get("/admin/lending/library/add/").content.decode()


def test_strangers_stay_outside(client: Client) -> None:
    client.force_login(rows.staff(rows.library()))
    for model in ROOM:
        request = RequestFactory().get("/")
        request.user = rows.staff(rows.library())
        assert not admin.site._registry[model].has_module_permission(request)
