"""Each index costs every change of a row; what is asked of bags and texts is found by those that are left."""

from __future__ import annotations

import pytest
from django.db import connection
from django.db.models import Q

from notifications.models import Message
from pickup.models import Order
from pickup.states import OrderState
from tests import rows

pytestmark = pytest.mark.django_db
OF_POINT = Order.objects.filter(point_id=1)


@pytest.fixture
def by_index():
    """Even the empty tables of a test are searched by index where one fits."""
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")


@pytest.mark.parametrize(
    ("asked", "index"),
    [
        (Order.objects.filter(visit_id=1), "pickup_order_visit"),
        (Order.objects.filter(visit_id__in=[1, 2]), "pickup_order_visit"),
        (Order.objects.filter(collector_id=1), "pickup_order_collector"),
        (Order.objects.filter(collector__number="+821000000001"), "pickup_order_collector"),
        (OF_POINT.filter(state=OrderState.HANDED_OVER, handed_over_at__gt=rows.NOW), "pickup_order_handed_over"),
        (Message.objects.filter(replaced_by_id=1), "notifications_message_replaced"),
        (Message.objects.filter(replaced_by_id__in=[1, 2]), "notifications_message_replaced"),
    ],
)
@pytest.mark.usefixtures("by_index")
def test_what_is_asked_of_bags_and_texts_is_found_by_an_index(asked, index):
    assert f" {index} " in asked.order_by().explain()


@pytest.mark.usefixtures("by_index")
def test_what_an_index_leaves_out_is_not_found_by_it():
    without = Order.objects.filter(Q(visit__isnull=True), library_id=1)
    assert "pickup_order_visit" not in without.order_by().explain()
