"""Addresses of this room: `api` hangs below /api/v1/, `pages` below /."""

from __future__ import annotations

from django.urls import URLPattern, URLResolver, path

from lending import (
    allowance_api,
    me_api,
    member_api,
    missing_api,
    numbers_pages,
    patron_api,
    posting_api,
    programme_api,
    reservation_api,
    settings_pages,
    sign_in_pages,
)
from lending import api as edges
from lending import pages as views

api: list[URLPattern | URLResolver] = [
    path("tokens", edges.Tokens.as_view(), name="api-tokens"),
    path("tokens/code", edges.AskCode.as_view(), name="api-ask-code"),
    path("tokens/current", edges.CurrentToken.as_view(), name="api-token"),
    path("me", edges.Me.as_view(), name="api-me"),
    path("me/history", me_api.History.as_view(), name="api-history"),
    path("me/texts", me_api.Texts.as_view(), name="api-texts"),
    path("libraries", edges.Libraries.as_view(), name="api-libraries"),
    path("titles", edges.Titles.as_view(), name="api-titles"),
    path("titles/<int:title_id>", edges.OneTitle.as_view(), name="api-title"),
    path("reservations", edges.Reservations.as_view(), name="api-reservations"),
    *(
        path(f"reservations/<int:reservation_id>/{act}", edge.as_view(), name=f"api-reservation-{act}")
        for act, edge in (
            ("cancel", reservation_api.CancelReservation),
            ("suspend", reservation_api.SuspendReservation),
            ("resume", reservation_api.ResumeReservation),
            ("needed", reservation_api.NeededReservation),
            ("pickup-point", reservation_api.MoveReservation),
        )
    ),
    path("search-list", missing_api.SearchList.as_view(), name="api-search-list"),
    path("search-list/<int:copy_id>/looked", missing_api.Looked.as_view(), name="api-looked"),
    path("search-list/<int:copy_id>/found", missing_api.Found.as_view(), name="api-found"),
    path("search-list/<int:copy_id>/lost", missing_api.Lost.as_view(), name="api-lost"),
    path("allowances", allowance_api.Allowances.as_view(), name="api-allowances"),
    path("allowances/<int:allowance_id>/grant", allowance_api.GrantAllowance.as_view(), name="api-grant"),
    path("allowances/<int:allowance_id>/withdraw", allowance_api.WithdrawAllowance.as_view(), name="api-withdraw"),
    path("allowances/<int:allowance_id>/remove", allowance_api.RemoveAllowance.as_view(), name="api-allowance-remove"),
    path("programmes/<int:programme_id>/allowances", allowance_api.PutAllowance.as_view(), name="api-put-allowance"),
    path("me/standing", me_api.Standing.as_view(), name="api-standing"),
    path("me/pin", me_api.Pin.as_view(), name="api-pin"),
    path("me/language", me_api.Language.as_view(), name="api-language"),
    path("me/devices", me_api.Devices.as_view(), name="api-devices"),
    path("me/devices/<int:device_id>/forget", me_api.ForgetDevice.as_view(), name="api-forget-device"),
    path("me/contacts", me_api.Contacts.as_view(), name="api-contacts"),
    path("me/contacts/<int:contact_id>", me_api.OneContact.as_view(), name="api-contact"),
    path("me/contacts/<int:contact_id>/remove", me_api.RemoveContact.as_view(), name="api-remove-contact"),
    path("me/household", me_api.MyHousehold.as_view(), name="api-household"),
    path("me/consents", me_api.Consents.as_view(), name="api-consents"),
    path("loans", edges.Loans.as_view(), name="api-loans"),
    path("loans/<int:loan_id>/renew", edges.RenewLoan.as_view(), name="api-loan-renew"),
    path("loans/<int:loan_id>/lost", edges.LostLoan.as_view(), name="api-loan-lost"),
    path("transfers", edges.Transfers.as_view(), name="api-transfers"),
    path("transfers/<int:transfer_id>/not-found", edges.TransferNotFound.as_view(), name="api-transfer-not-found"),
    path("transfers/<int:transfer_id>/lost", edges.TransferLost.as_view(), name="api-transfer-lost"),
    path("programmes", programme_api.Programmes.as_view(), name="api-programmes"),
    path("programmes/<int:programme_id>", programme_api.OneProgramme.as_view(), name="api-programme"),
    path("programmes/<int:programme_id>/preview", programme_api.ProgrammePreview.as_view(), name="api-preview"),
    path("programmes/<int:programme_id>/history", programme_api.ProgrammeHistory.as_view(), name="api-changes"),
    path("libraries/<slug:code>/members", member_api.Members.as_view(), name="api-members"),
    path(
        "libraries/<slug:code>/members/<int:account_id>/leave",
        member_api.MemberLeaves.as_view(),
        name="api-member-leaves",
    ),
    path(
        "libraries/<slug:code>/members/<int:account_id>/lost-factor",
        member_api.MemberLostFactor.as_view(),
        name="api-member-lost-factor",
    ),
    path("libraries/<slug:code>/looks", member_api.Looks.as_view(), name="api-looks"),
    path("libraries/<slug:code>/looks/review", member_api.ReviewLooks.as_view(), name="api-review-looks"),
    path("patrons", patron_api.Patrons.as_view(), name="api-patrons"),
    path("patrons/find", patron_api.FindPatrons.as_view(), name="api-find-patrons"),
    path("patrons/<int:patron_id>", patron_api.OnePatron.as_view(), name="api-patron"),
    *(
        path(f"patrons/<int:patron_id>/{act}", edge.as_view(), name=f"api-patron-{act.replace('/', '-')}")
        for act, edge in (
            ("code", patron_api.PatronCode),
            ("household", patron_api.PatronHousehold),
            ("household/leave", patron_api.LeaveHousehold),
            ("consents", patron_api.PatronConsents),
            ("standing", patron_api.PatronStanding),
            ("forgive", patron_api.Forgive),
            ("lift-wait", patron_api.LiftWait),
        )
    ),
    path("postings", posting_api.Postings.as_view(), name="api-postings"),
    path("postings/<int:posting_id>/done", posting_api.PostingDone.as_view(), name="api-posting-done"),
    path("postings/<int:posting_id>/refuse", posting_api.PostingRefused.as_view(), name="api-posting-refuse"),
    path("postings/<int:posting_id>/again", posting_api.PostingAgain.as_view(), name="api-posting-again"),
]

pages: list[URLPattern | URLResolver] = [
    path("", views.find, name="search"),
    path("ask/note/", views.note, name="note"),
    path("ask/strike/", views.strike, name="strike"),
    path("sign-in/", views.sign_in, name="sign-in"),
    path("sign-in/code/", sign_in_pages.ask_code, name="ask-code"),
    path("sign-in/code/enter/", sign_in_pages.enter_code, name="enter-code"),
    path("my/settings/", settings_pages.settings, name="settings"),
    path("my/settings/standing/", settings_pages.standing, name="settings-standing"),
    path("my/settings/pin/", settings_pages.pin, name="settings-pin"),
    path("my/settings/devices/", settings_pages.remembered, name="settings-devices"),
    path("my/settings/devices/<int:device_id>/forget/", settings_pages.forget_device, name="forget-device"),
    path("my/settings/language/", settings_pages.speak, name="settings-language"),
    path("my/settings/needs/", settings_pages.needs, name="settings-needs"),
    path("my/settings/consents/", settings_pages.agree, name="settings-consents"),
    path("my/settings/texts/", settings_pages.texts, name="settings-texts"),
    path("my/history/", settings_pages.history, name="history"),
    path("my/settings/numbers/", numbers_pages.numbers, name="settings-numbers"),
    path("my/settings/numbers/add/", numbers_pages.add_number, name="add-number"),
    path("my/settings/numbers/confirm/", numbers_pages.confirm_number, name="confirm-number"),
    *(
        path(
            f"my/settings/numbers/<int:contact_id>/{act}/",
            numbers_pages.change_number,
            {"act": act},
            name=f"{act}-number",
        )
        for act in ("first", "uses", "keep", "once", "mail", "unmail", "remove")
    ),
    path("mail/<str:token>/", numbers_pages.confirm_mail, name="confirm-mail"),
    path("staff/sign-in/", views.staff_sign_in, name="staff-sign-in"),
    path("sign-out/", views.sign_out, name="sign-out"),
]
