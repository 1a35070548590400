"""Addresses of this room: `api` hangs below /api/v1/, `pages` below /."""

from __future__ import annotations

from django.urls import URLPattern, URLResolver, path

from pickup import api as edges
from pickup import board, lane_api, lane_pages, phone_pages, staff_pages
from pickup import pages as views

api: list[URLPattern | URLResolver] = [
    path("libraries/<slug:code>/now", edges.Now.as_view(), name="api-now"),
    path("pickup-points", edges.Points.as_view(), name="api-points"),
    path("pickup-points/<int:point_id>/call-next", lane_api.CallNext.as_view(), name="api-call-next"),
    path("pickup-points/<int:point_id>/serve", lane_api.Serve.as_view(), name="api-serve"),
    path("slots", edges.Slots.as_view(), name="api-slots"),
    path("orders", edges.Orders.as_view(), name="api-orders"),
    path("orders/<int:order_id>", edges.OneOrder.as_view(), name="api-order"),
    path("orders/<int:order_id>/pack", edges.PackOrder.as_view(), name="api-order-pack"),
    path("orders/<int:order_id>/ready", edges.ReadyOrder.as_view(), name="api-order-ready"),
    path("orders/<int:order_id>/cancel", edges.CancelOrder.as_view(), name="api-order-cancel"),
    path("orders/<int:order_id>/appointment", edges.ChooseSlot.as_view(), name="api-order-appointment"),
    path("appointments/<int:appointment_id>/confirm", edges.ConfirmAppointment.as_view(), name="api-confirm"),
    path("appointments/<int:appointment_id>/change", edges.ChangeAppointment.as_view(), name="api-change"),
    path("appointments/<int:appointment_id>/cancel", edges.CancelAppointment.as_view(), name="api-cancel"),
    path("visits", lane_api.Visits.as_view(), name="api-visits"),
    path("visits/<int:visit_id>/hand-over", lane_api.HandOver.as_view(), name="api-hand-over"),
    path("visits/<int:visit_id>/put-back", lane_api.PutBack.as_view(), name="api-put-back"),
    path("visits/<int:visit_id>/leave", lane_api.Leave.as_view(), name="api-leave"),
    path("visits/<int:visit_id>/undo", lane_api.UndoVisit.as_view(), name="api-undo"),
    path("lanes/<int:lane_id>/open", lane_api.OpenLane.as_view(), name="api-lane-open"),
    path("lanes/<int:lane_id>/close", lane_api.CloseLane.as_view(), name="api-lane-close"),
    path("loans/<int:loan_id>/undo-return", lane_api.UndoReturn.as_view(), name="api-undo-return"),
]

pages: list[URLPattern | URLResolver] = [
    path("ask/", views.ask, name="ask"),
    path("my/", views.my, name="my"),
    path("my/orders/", views.my_orders, name="my-orders"),
    path("my/orders/<int:order_id>/", views.my_order, name="my-order"),
    path("my/orders/<int:order_id>/<slug:act>/", views.my_order_act, name="my-order-act"),
    path("my/reservations/<int:reservation_id>/cancel/", views.cancel_reservation, name="cancel-reservation"),
    path("my/loans/<int:loan_id>/renew/", views.renew, name="renew"),
    path("o/<str:token>/", views.link, name="link"),
    path("o/<str:token>/<slug:act>/", views.link_act, name="link-act"),
    path("code/", views.code, name="code"),
    path("code/<slug:library>/", views.code_of, name="code-of"),
    path("now/", views.now, name="now"),
    path("now/<slug:library>/", views.now_of, name="now-of"),
    path("live/points/<int:point_id>/", board.stream, name="live-point"),
    path("live/now/<int:library_id>/", board.stream_now, name="live-now"),
    path("staff/", staff_pages.home, name="staff"),
    path("staff/pull-list/", staff_pages.pull_list, name="pull-list"),
    path("staff/lines/<int:line_id>/not-on-shelf/", staff_pages.not_on_shelf, name="not-on-shelf"),
    path("staff/packing/", staff_pages.packing, name="packing"),
    path("staff/orders/<int:order_id>/ready/", staff_pages.ready, name="ready"),
    path("staff/orders/<int:order_id>/cancel/", staff_pages.cancel, name="staff-cancel"),
    path("staff/orders/<int:order_id>/slip/", staff_pages.slip, name="slip"),
    path("staff/orders/<int:order_id>/arrive/", lane_pages.arrive, name="staff-arrive"),
    path("staff/lane/", lane_pages.lane_board, name="lane"),
    path("staff/lane/call/", lane_pages.call_next, name="call-next"),
    path("staff/lane/serve/", lane_pages.serve, name="serve"),
    path("staff/lanes/<int:lane_id>/<slug:what>/", lane_pages.set_lane, name="set-lane"),
    path("staff/visits/<int:visit_id>/hand-over/", lane_pages.hand_over, name="hand-over"),
    path("staff/visits/<int:visit_id>/<slug:what>/", lane_pages.visit_act, name="visit-act"),
    path("staff/returns/", staff_pages.taking_back, name="returns"),
    path("staff/loans/<int:loan_id>/undo-return/", staff_pages.undo_return, name="undo-return"),
    path("staff/shelf/", staff_pages.shelf, name="shelf"),
    path("staff/phone-orders/", phone_pages.phone_orders, name="phone-orders"),
    path("staff/inbox/", phone_pages.inbox, name="inbox"),
    path("staff/inbox/<int:inbound_id>/settle/", phone_pages.settle, name="settle"),
    path("staff/calls/<int:call_id>/<slug:what>/", phone_pages.called, name="called"),
]
