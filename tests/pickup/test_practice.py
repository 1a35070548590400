"""Nothing that a training library says reaches a real carrier, and nobody is led to its places."""

from __future__ import annotations

import pytest
from django.core.exceptions import ValidationError

from lending import queries as lending_queries
from notifications import claims
from notifications.models import Call, Message
from notifications.states import MessageState
from pickup.models import PointRules
from tests import rows
from tests.pickup import steps

pytestmark = pytest.mark.django_db


@pytest.fixture
def here(settings):
    """The sandbox stands in for the carrier."""
    settings.TWILIO_API_BASE_URL = settings.PUBLIC_BASE_URL


def told(*, training: bool = True, number: str | None = None) -> Message | None:
    """A bag of a library is ready, and its patron is told."""
    point = rows.point(rows.library(training=training), rules={"by_appointment": False})
    steps.ready(steps.asked(rows.patron(point.library, number=number), point))
    assert PointRules.objects.filter(point=point).exists()
    return Message.objects.first()


def test_in_the_sandbox_a_rehearsal_reaches_its_phones(here):
    text = told()
    assert text.state == MessageState.QUEUED
    assert [one.message_id for one in claims.take(now=rows.NOW).claimed] == [text.pk]


def test_without_the_sandbox_a_rehearsal_says_nothing_and_the_text_tells_why(settings):
    settings.SANDBOX = False
    text = told()
    assert (text.state, text.why) == (MessageState.SUPPRESSED, "practice")


def test_a_sandbox_that_speaks_to_a_real_carrier_is_none(settings):
    settings.TWILIO_API_BASE_URL = ""
    assert told().state == MessageState.SUPPRESSED


def test_what_waited_when_the_sandbox_was_switched_off_is_never_sent(here, settings):
    text = told()
    settings.SANDBOX = False
    assert claims.take(now=rows.NOW).claimed == []
    text.refresh_from_db()
    assert (text.state, text.why) == (MessageState.SUPPRESSED, "practice")


def test_nobody_is_phoned_for_a_rehearsal_outside_the_sandbox(settings):
    settings.SANDBOX = False
    told(number=rows.landline())
    assert not Call.objects.exists()


def test_a_real_library_is_not_hindered(settings):
    settings.SANDBOX = False
    assert told(training=False).state == MessageState.QUEUED


def test_nobody_is_led_to_a_training_librarys_places():
    real, training = rows.point(), rows.point(rows.library(training=True))
    assert real in lending_queries.points()
    assert training not in lending_queries.points()


def test_readers_and_invented_people_share_no_programme():
    real, training = rows.library(), rows.library(training=True)
    training.full_clean()
    for one, other in ((training, real), (real, training)):
        one.programme = other.programme
        with pytest.raises(ValidationError) as caught:
            one.full_clean()
        assert set(caught.value.message_dict) == {"programme"}
        one.refresh_from_db()
