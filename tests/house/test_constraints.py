"""Every law of every table is broken once, by hand, and the database refuses; none is forgotten."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, time
from types import SimpleNamespace
from typing import Any

import pytest
from django.apps import apps
from django.db import IntegrityError, connection, models, transaction

from lending.models import PickupPoint
from tests.house.conftest import HOUR, NOW

pytestmark = pytest.mark.lawless("I1", "I2", "I3", "I11", "I13", why="one row of each kind, put there by hand")

ROOMS = ("core", "notifications", "lending", "pickup")

# name of the law: (row, "change" it or write it "again", with these columns)
BREACHES: dict[str, tuple[str, str, dict[str, Any]]] = {
    # core
    "core_answer_given_once": ("answer", "again", {}),
    "core_access_kept_a_while": ("access", "again", {"keep_until": NOW}),
    "core_counter_one_per_window": ("counter", "again", {}),
    # notifications
    "notifications_sender_number_e164": ("sender", "change", {"number": "02-2204-6440"}),
    "notifications_sender_desk_rings": ("sender", "change", {"desk": "02-2204-6440"}),
    "notifications_sender_pays_or_not": ("sender", "change", {"part_price": -1}),
    "notifications_own_words_once": ("own_words", "again", {}),
    "notifications_own_words_language": ("own_words", "change", {"language": "vi"}),
    "notifications_own_words_say_something": ("own_words", "change", {"body": ""}),
    "notifications_message_state_known": ("message", "change", {"state": "lost"}),
    "notifications_message_said_once": ("message", "again", {"provider_id": "SM2"}),
    "notifications_provider_id_on_one_message": ("message", "again", {"dedup_key": "other"}),
    "notifications_message_to_e164": ("message", "change", {"to": "01000000001"}),
    "notifications_message_kind_known": ("message", "change", {"kind": "advert"}),
    "notifications_sending_has_lease": ("message", "change", {"state": "sending", "lease_until": None}),
    "notifications_accepted_has_provider_id": ("message", "change", {"state": "accepted", "provider_id": ""}),
    "notifications_resent_at_most_once": ("message", "change", {"resends": 2}),
    "notifications_message_of_use_for_a_while": ("message", "change", {"not_after": NOW}),
    "notifications_inbound_state_known": ("inbound", "change", {"state": "lost"}),
    "notifications_inbound_stored_once": ("inbound", "again", {}),
    "notifications_opted_out_once": ("opt_out", "again", {}),
    "notifications_opt_out_e164": ("opt_out", "change", {"number": "010"}),
    "notifications_call_state_known": ("call", "change", {"state": "lost"}),
    "notifications_call_listed_once": ("call", "again", {}),
    "notifications_call_number_e164": ("call", "change", {"number": "02"}),
    # lending
    "lending_programme_lends_something": ("programme", "change", {"volumes": 0}),
    "lending_programme_lends_for_a_day": ("programme", "change", {"loan_days": 0}),
    "lending_programme_foreign_books_known": ("programme", "change", {"foreign_books": "burn"}),
    "lending_programme_rule_known": ("programme", "change", {"volumes_per": "street"}),
    "lending_library_circulation_known": ("library", "change", {"circulation": "paper"}),
    "lending_library_weekdays_known": ("library", "change", {"weekly_closed": [7]}),
    "lending_library_nth_weekdays_known": ("library", "change", {"nth_closed": ["6-1"]}),
    "lending_copy_looked_for_once_a_day": ("shelf_look", "again", {}),
    "lending_suspended_reservation_has_its_day": ("other_reservation", "change", {"state": "suspended"}),
    "lending_strike_forgiven_for_a_known_reason": ("strike", "change", {"forgiven_why": "because"}),
    "lending_pause_lifted_for_a_known_reason": ("pause", "change", {"lifted_why": "because"}),
    "pickup_slot_outside_takes_nobody": ("slot", "change", {"outside": True}),
    "lending_special_day_once": ("special_day", "again", {}),
    "lending_point_layout_known": ("point", "change", {"layout": "roof"}),
    "lending_one_role_per_library": ("membership", "again", {}),
    "lending_role_known": ("membership", "change", {"role": "king"}),
    "lending_token_of_account_or_device": ("token", "change", {"device": "camera", "library": 1}),
    "lending_device_belongs_to_a_library": ("token", "change", {"account": None, "device": "camera", "library": None}),
    "lending_token_scope_known": ("token", "change", {"scopes": ["everything"]}),
    "lending_token_lives_a_while": ("token", "change", {"expires_at": NOW}),
    "lending_card_number_form": ("patron", "change", {"card_number": "card 1"}),
    "lending_need_known": ("patron", "change", {"needs": ["a chat"]}),
    "lending_contact_number_e164": ("contact", "change", {"number": "010-0000-0001"}),
    "lending_contact_listed_once": ("contact", "again", {}),
    "notifications_sender_tells_at_all": ("sender", "change", {"per_person": 0}),
    "lending_contact_confirmed_an_address": ("contact", "change", {"mail_confirmed_at": NOW}),
    "lending_contact_told_by_a_door": ("contact", "change", {"own": False, "told_by": "call"}),
    "lending_told_of_loans_by_text_or_mail": ("patron", "change", {"receipts_by": "call"}),
    "lending_contact_mail_is_the_patrons": ("contact", "change", {"own": False, "mail": "reader@example.org"}),
    "lending_wait_follows_guess": ("guess", "change", {"wait_until": NOW}),
    "lending_code_for_a_number_names_it": ("one_time_code", "change", {"purpose": "number"}),
    "lending_code_tried_five_times_at_most": ("one_time_code", "change", {"tries": 6}),
    "lending_used_code_was_made": ("one_time_code", "change", {"used_at": NOW, "digest": ""}),
    "lending_code_lives_a_while": ("one_time_code", "change", {"expires_at": NOW}),
    "lending_device_lives_a_while": ("remembered", "change", {"expires_at": NOW}),
    "lending_consent_known": ("consent", "again", {"what": "cookies"}),
    "lending_consent_names_its_version": ("consent", "again", {"version": ""}),
    "lending_second_factor_secret": ("second_factor", "change", {"secret": "plain"}),
    "lending_second_factor_made_before_confirmed": ("second_factor", "change", {"confirmed_at": NOW - HOUR}),
    "lending_recovery_code_given_once": ("recovery_code", "again", {}),
    "lending_month_reviewed_once": ("review", "again", {}),
    "lending_review_of_a_whole_month": ("review", "again", {"month": date(2026, 10, 2)}),
    "lending_tablet_lives_a_while": ("tablet", "change", {"expires_at": NOW}),
    "lending_title_recorded_once": ("title", "again", {}),
    "lending_title_material_known": ("title", "change", {"material": "scroll"}),
    "lending_programme_material_known": ("programme", "change", {"materials_excluded": ["scroll"]}),
    "lending_programme_strike_known": ("programme", "change", {"strikes_for": ["smiled"]}),
    "lending_programme_pause_possible": ("programme", "change", {"strikes": 3, "pause_days": 0}),
    "lending_programme_reminds_in_time": ("programme", "change", {"remind_after": [61]}),
    "lending_allowance_named_once": ("allowance", "again", {}),
    "lending_allowance_granted_once": ("grant", "again", {}),
    "lending_transfer_state_known": ("transfer", "change", {"state": "flown"}),
    "lending_copy_travels_once": ("transfer", "again", {}),
    "lending_transfer_goes_somewhere": ("transfer", "change", {"to_library": "library"}),
    "lending_strike_kind_known": ("strike", "change", {"kind": "smiled"}),
    "lending_pause_begins_before_it_ends": ("pause", "change", {"until": date(2026, 11, 1)}),
    "lending_copy_state_known": ("copy", "change", {"state": "eaten"}),
    "lending_reservation_state_known": ("reservation", "change", {"state": "lost"}),
    "lending_title_reserved_once_per_patron": ("reservation", "again", {"state": "waiting", "copy": None}),
    "lending_copy_set_aside_once": ("reservation", "again", {"patron": "other_patron", "volume": "2"}),
    "lending_held_reservation_has_copy": ("reservation", "change", {"copy": None}),
    "lending_waiting_reservation_has_no_copy": ("reservation", "change", {"state": "waiting"}),
    "lending_open_reservation_has_patron": ("reservation", "change", {"patron": None}),
    "lending_loan_state_known": ("loan", "change", {"state": "burnt"}),
    "lending_copy_lent_once": ("loan", "again", {}),
    "lending_open_loan_has_patron": ("loan", "change", {"patron": None}),
    "lending_returned_loan_has_its_time": ("loan", "change", {"state": "returned"}),
    "lending_lent_before_returned": ("loan", "change", {"state": "returned", "returned_at": NOW - HOUR}),
    "lending_reservation_lent_once": ("loan", "change", {"reservation": "reservation"}),
    "lending_packed_loan_is_of_a_bag": ("packed_loan", "change", {"reservation": None}),
    "lending_reminder_has_its_day": ("loan", "change", {"reminded": 1}),
    "lending_only_a_return_is_told": ("loan", "change", {"return_told_at": NOW}),
    "lending_posting_state_known": ("posting", "change", {"state": "lost"}),
    "lending_posting_kind_known": ("posting", "change", {"kind": "renewal"}),
    "lending_posting_names_a_book": ("posting", "change", {"barcode": ""}),
    "lending_check_out_to_tell_has_patron": ("posting", "change", {"patron": None}),
    "lending_refused_posting_says_why": ("posting", "change", {"reason": "card"}),
    "lending_exported_posting_has_its_time": ("posting", "change", {"exported_at": NOW}),
    "lending_packed_posting_is_of_a_bag": ("posting", "change", {"packed": True, "reservation": None}),
    "lending_posting_undone_once": ("counter_posting", "again", {}),
    "lending_hand_over_told_once": ("posting", "again", {}),
    "lending_copy_listed_once": ("listed", "again", {}),
    # pickup
    "pickup_point_rule_known": ("rules", "change", {"promise": "never"}),
    "pickup_point_rules_possible": ("rules", "change", {"offers": 0}),
    "pickup_window_on_weekday_or_date": ("window", "change", {"date": date(2026, 11, 24)}),
    "pickup_window_weekday": ("window", "change", {"weekday": 7}),
    "pickup_window_nth_weekday": ("window", "change", {"nth": 6}),
    "pickup_window_opens_before_it_closes": ("window", "change", {"closes": time(9)}),
    "pickup_window_has_places": ("window", "change", {"capacity": 0}),
    "pickup_window_regime_known": ("window", "change", {"regime": "holiday"}),
    "pickup_slot_starts_once": ("slot", "again", {}),
    "pickup_slot_never_oversold": ("slot", "change", {"booked": 3}),
    "pickup_accessible_places_never_oversold": ("slot", "change", {"booked_accessible": 2}),
    "pickup_accessible_within_capacity": ("slot", "change", {"accessible": 3}),
    "pickup_slot_starts_before_it_ends": ("slot", "change", {"ends_at": NOW}),
    "pickup_appointment_state_known": ("appointment", "change", {"state": "lost"}),
    "pickup_appointment_why_known": ("appointment", "change", {"why": "luck"}),
    "pickup_preference_weekdays_known": ("preference", "change", {"weekdays": [7]}),
    "pickup_preference_says_something": ("preference", "change", {"weekdays": []}),
    "pickup_preference_begins_before_it_ends": ("preference", "change", {"ends": time(17)}),
    "pickup_offer_leaves_time_to_answer": ("appointment", "change", {"answer_by": NOW - HOUR}),
    "pickup_lane_named_once": ("lane", "again", {}),
    "pickup_visit_state_known": ("visit", "change", {"state": "lost"}),
    "pickup_visit_purpose_known": ("visit", "change", {"purpose": "chat"}),
    "pickup_patron_here_once": ("visit", "again", {"plate": "", "lane": None}),
    "pickup_plate_here_once": ("visit", "again", {"patron": None, "lane": None}),
    "pickup_one_called_per_lane": ("visit", "again", {"patron": None, "plate": ""}),
    "pickup_called_has_its_time": ("visit", "change", {"called_at": None}),
    "pickup_arrived_before_called": ("visit", "change", {"called_at": NOW - HOUR}),
    "pickup_called_before_recalled": ("visit", "change", {"recalled_at": NOW - HOUR, "recalls": 1}),
    "pickup_order_state_known": ("order", "change", {"state": "lost"}),
    "pickup_order_number_form": ("order", "change", {"number": "12a4"}),
    "pickup_order_number_held_once": ("order", "again", {"patron": "other_patron"}),
    "pickup_one_open_order": ("order", "again", {"number": "4722"}),
    "pickup_place_holds_one_bag": ("order", "again", {"number": "4722", "patron": "other_patron"}),
    "pickup_open_order_has_patron": ("order", "change", {"patron": None}),
    "pickup_ready_order_has_its_time": ("order", "change", {"ready_at": None}),
    "pickup_ready_order_is_kept": ("order", "change", {"keep_until": None}),
    "pickup_handed_over_has_its_time": ("order", "change", {"handed_over_at": NOW}),
    "pickup_line_state_known": ("line", "change", {"state": "lost"}),
    "pickup_reservation_in_one_bag": ("line", "again", {"copy": "other_copy"}),
    "pickup_copy_in_one_bag": ("line", "again", {"reservation": "other_reservation"}),
    "pickup_link_made_once": ("link", "again", {"digest": "d" * 64}),
    "pickup_note_says_something": ("note", "change", {"text": ""}),
    "pickup_note_written_before_settled": ("note", "change", {"settled_at": NOW - HOUR}),
    "pickup_question_number_e164": ("question", "change", {"number": "010"}),
    "pickup_question_known": ("question", "change", {"kind": "weather"}),
    "pickup_asked_before_closed": ("question", "change", {"closed_at": NOW - HOUR}),
    "pickup_rehearsal_state_known": ("rehearsal", "change", {"state": "lost"}),
    "pickup_one_rehearsal_at_a_time": ("rehearsal", "again", {}),
    "pickup_ended_rehearsal_has_its_time": ("rehearsal", "change", {"state": "ended"}),
    "pickup_rehearsal_takes_a_while": ("rehearsal", "change", {"minutes": 0}),
    "pickup_rehearsal_car_state_known": ("rehearsal_car", "change", {"state": "lost"}),
    "pickup_rehearsal_car_known": ("rehearsal_car", "change", {"kind": "bus"}),
    "pickup_rehearsal_car_numbered_once": ("rehearsal_car", "again", {}),
    "pickup_rehearsal_car_has_a_bag": ("rehearsal_car", "change", {"order": None}),
    "pickup_rehearsal_car_that_came_is_here": ("rehearsal_car", "change", {"state": "came"}),
}


def laws_of_the_tables() -> Iterator[tuple[str, type[models.Model]]]:
    for room in ROOMS:
        for model in apps.get_app_config(room).get_models():
            for law in model._meta.constraints:
                yield law.name, model


@pytest.mark.parametrize("law", sorted(BREACHES))
def test_the_database_refuses_what_breaks_a_law(law: str, rows: SimpleNamespace) -> None:
    name, how, columns = BREACHES[law]
    row = getattr(rows, name)
    values = {column: _value(rows, column, value) for column, value in columns.items()}
    with pytest.raises(IntegrityError) as refused, transaction.atomic():
        write(row, how, values)
    assert refused.value.__cause__.diag.constraint_name == law


def write(row: models.Model, how: str, values: dict[str, Any]) -> None:
    """Past the house: change the row, or write another one like it."""
    table = type(row)._default_manager
    if how == "change":
        table.filter(pk=row.pk).update(**values)
        return
    same = {field.name: getattr(row, field.name) for field in row._meta.concrete_fields if not field.primary_key}
    table.bulk_create([type(row)(**{**same, **values})])


def _value(rows: SimpleNamespace, column: str, value: Any) -> Any:
    if column in {"patron", "copy", "reservation"} and value is not None:
        return getattr(rows, value)
    return rows.library if column in {"library", "to_library"} and value is not None else value


def test_no_law_is_forgotten() -> None:
    assert {name for name, _model in laws_of_the_tables()} == set(BREACHES)


def test_every_law_is_named_after_its_room() -> None:
    for name, model in laws_of_the_tables():
        assert name.startswith(f"{model._meta.app_label}_"), name


def test_a_promise_is_at_the_point_of_its_slot(rows: SimpleNamespace) -> None:
    elsewhere = PickupPoint.objects.create(library=rows.library, code="elsewhere", layout="file")

    @transaction.atomic
    def move() -> None:
        write(rows.appointment, "change", {"point": elsewhere})
        connection.check_constraints()

    with pytest.raises(IntegrityError, match="pickup_appointment_at_its_slot"):
        move()
