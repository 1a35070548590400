"""Reports of the carrier: late, twice, shuffled, before our own commit."""

from __future__ import annotations

import itertools
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase

from core.models import Journal
from notifications import delivery, receipts
from notifications.models import Call, Message, Receipt, Sender
from notifications.states import MessageState as S
from notifications.transports import Report
from tests import rows
from tests.notifications.conftest import claimed, queue

pytestmark = pytest.mark.django_db
SID = "SM" + "a" * 32


def accepted(sender: Sender, sid: str = SID, **columns) -> Message:
    text = queue(sender, **columns)
    delivery.record(claimed(text), Report(sid, "queued"), now=rows.NOW)
    text.refresh_from_db()
    assert text.state == S.ACCEPTED
    return text


def report(status: str, text: Message, *, sid: str = SID, code: str = "") -> bool:
    return receipts.record(
        provider_id=sid, message_id=text.pk, status=status, error_code=code, to=text.to, now=rows.NOW
    )


@pytest.mark.parametrize("order", list(itertools.permutations(["queued", "sent", "delivered"])))
def test_reports_in_any_order_end_in_delivered(sender: Sender, order):
    text = accepted(sender)
    for status in order:
        report(status, text)
    text.refresh_from_db()
    assert text.state == S.DELIVERED


def test_ten_times_the_same_report_is_one_move(sender: Sender):
    text = accepted(sender)
    assert [report("delivered", text) for _ in range(10)] == [True] + [False] * 9
    assert Journal.objects.filter(noun="notifications.message", row=text.pk, became="delivered").count() == 1


def test_what_was_delivered_is_never_failed_and_what_failed_never_delivered(sender: Sender):
    text = accepted(sender)
    report("delivered", text)
    report("failed", text, code="30003")
    text.refresh_from_db()
    assert text.state == S.DELIVERED
    other = accepted(sender, "SM" + "b" * 32)
    report("undelivered", other, sid="SM" + "b" * 32, code="30006")
    report("delivered", other, sid="SM" + "b" * 32)
    other.refresh_from_db()
    assert (other.state, other.error_code) == (S.FAILED, "30006")


def test_a_status_that_nobody_knows_changes_nothing(sender: Sender):
    text = accepted(sender)
    assert not report("teleported", text)
    assert not Receipt.objects.exists()


@pytest.mark.parametrize(("status", "ends"), [("sent", S.ACCEPTED), ("delivered", S.DELIVERED), ("failed", S.FAILED)])
def test_a_report_that_beats_our_commit_is_kept_and_applied(sender: Sender, status, ends):
    text = queue(sender)
    one = claimed(text)
    assert not report(status, text)
    delivery.record(one, Report(SID, "queued"), now=rows.NOW)
    text.refresh_from_db()
    assert (text.state, text.provider_id) == (ends, SID)


def test_a_report_without_our_id_that_beats_our_commit_is_applied_too(sender: Sender, now):
    text = queue(sender)
    one = claimed(text)
    receipts.record(provider_id=SID, status="delivered", now=now)
    delivery.record(one, Report(SID, "queued"), now=now)
    text.refresh_from_db()
    assert text.state == S.DELIVERED


def test_a_sweep_applies_what_the_recorder_did_not_see(sender: Sender, now):
    text = accepted(sender)
    receipts.keep(provider_id=SID, message_id=None, status="delivered", error_code="", now=now)
    assert receipts.apply_early(now=now) == 1
    assert receipts.apply_early(now=now) == 0
    text.refresh_from_db()
    assert text.state == S.DELIVERED


def test_a_report_about_somebody_elses_text_is_kept_and_moves_nothing(sender: Sender):
    text = accepted(sender)
    receipts.record(provider_id="SM" + "f" * 32, message_id=2**63 - 1, status="delivered", now=rows.NOW)
    text.refresh_from_db()
    assert text.state == S.ACCEPTED


def test_our_id_with_another_persons_number_is_not_believed(sender: Sender):
    text = queue(sender)
    one = claimed(text)
    receipts.record(
        provider_id="SM" + "e" * 32, message_id=text.pk, status="delivered", to="+821000009999", now=rows.NOW
    )
    delivery.record(one, Report(SID, "queued"), now=rows.NOW)
    text.refresh_from_db()
    assert (text.state, text.provider_id) == (S.ACCEPTED, SID)


def test_a_second_id_for_one_text_is_told_and_changes_nothing(sender: Sender, caplog):
    text = accepted(sender)
    report("delivered", text, sid="SM" + "c" * 32)
    text.refresh_from_db()
    assert (text.state, text.provider_id) == (S.ACCEPTED, SID)
    assert "message.sent_twice" in caplog.text


def test_an_unreachable_handset_gets_the_text_again_later_and_is_called_in_the_end(sender: Sender, now):
    text = accepted(sender, not_after=now + timedelta(hours=8))
    report("undelivered", text, code="30003")
    second = Message.objects.get(dedup_key=text.dedup_key, generation=2)
    assert (second.state, second.not_before, second.body) == (S.QUEUED, now + timedelta(minutes=5), text.body)
    delivery.record(claimed(second, now=second.not_before), Report("SM" + "d" * 32, "queued"), now=now)
    report("undelivered", second, sid="SM" + "d" * 32, code="30003")
    third = Message.objects.get(dedup_key=text.dedup_key, generation=3)
    delivery.record(claimed(third, now=third.not_before), Report("SM" + "e" * 32, "queued"), now=now)
    report("undelivered", third, sid="SM" + "e" * 32, code="30003")
    assert Call.objects.get().number == text.to
    assert Message.objects.filter(dedup_key=text.dedup_key).count() == 3


def test_a_filtered_text_wakes_somebody_and_is_called(sender: Sender, caplog):
    text = accepted(sender)
    report("undelivered", text, code="30007")
    assert "message.refused_class" in caplog.text
    assert Call.objects.get().number == text.to


class Shuffled(TestCase):
    """Any sequence of reports, before and after our commit."""

    @given(
        before=st.lists(st.sampled_from(["queued", "sent", "delivered", "undelivered", "odd"]), max_size=4),
        after=st.lists(st.sampled_from(["queued", "sent", "delivered", "undelivered", "odd"]), max_size=6),
    )
    def test_the_first_final_report_wins_and_nothing_goes_back(self, before, after):
        text = queue(rows.sender())
        sid = f"SM{rows.serial():032x}"
        one = claimed(text)
        for status in before:
            report(status, text, sid=sid)
        delivery.record(one, Report(sid, "queued"), now=rows.NOW)
        for status in after:
            report(status, text, sid=sid)
        text.refresh_from_db()
        final = [status for status in before + after if status in {"delivered", "undelivered"}]
        expected = {"delivered": S.DELIVERED, "undelivered": S.FAILED}[final[0]] if final else S.ACCEPTED
        assert text.state == expected
