"""Addresses of this room: `api` hangs below /api/v1/, `pages` below /."""

from __future__ import annotations

from django.urls import URLPattern, URLResolver, path

from lending import api as edges
from lending import pages as views

api: list[URLPattern | URLResolver] = [
    path("tokens", edges.Tokens.as_view(), name="api-tokens"),
    path("tokens/current", edges.CurrentToken.as_view(), name="api-token"),
    path("me", edges.Me.as_view(), name="api-me"),
    path("libraries", edges.Libraries.as_view(), name="api-libraries"),
    path("titles", edges.Titles.as_view(), name="api-titles"),
    path("titles/<int:title_id>", edges.OneTitle.as_view(), name="api-title"),
    path("reservations", edges.Reservations.as_view(), name="api-reservations"),
    path("reservations/<int:reservation_id>/cancel", edges.CancelReservation.as_view(), name="api-reservation-cancel"),
    path("loans", edges.Loans.as_view(), name="api-loans"),
    path("loans/<int:loan_id>/renew", edges.RenewLoan.as_view(), name="api-loan-renew"),
    path("returns", edges.Returns.as_view(), name="api-returns"),
]

pages: list[URLPattern | URLResolver] = [
    path("", views.find, name="search"),
    path("titles/<int:title_id>/", views.title, name="title"),
    path("ask/note/", views.note, name="note"),
    path("ask/strike/", views.strike, name="strike"),
    path("sign-in/", views.sign_in, name="sign-in"),
    path("staff/sign-in/", views.staff_sign_in, name="staff-sign-in"),
    path("sign-out/", views.sign_out, name="sign-out"),
]
