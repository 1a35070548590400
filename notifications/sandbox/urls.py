"""Twilio's addresses, and the phones."""

from __future__ import annotations

from django.urls import path

from notifications.sandbox import api, phones

urlpatterns = [
    path("2010-04-01/Accounts/<str:account>.json", api.account, name="sandbox-account"),
    path("2010-04-01/Accounts/<str:account>/IncomingPhoneNumbers.json", api.numbers, name="sandbox-numbers"),
    path("2010-04-01/Accounts/<str:account>/Messages.json", api.messages, name="sandbox-messages"),
    path("2010-04-01/Accounts/<str:account>/Messages/<str:sid>.json", api.message, name="sandbox-message"),
    path("v1/Services", api.services, name="sandbox-services"),
    path("v1/Services/<str:service>/PhoneNumbers", api.service_numbers, name="sandbox-service-numbers"),
    path("v1/Services/<str:service>/Compliance/Usa2p", api.campaigns, name="sandbox-campaigns"),
    path("v1/Tollfree/Verifications", api.verifications, name="sandbox-verifications"),
    path("sandbox/phones/", phones.phones, name="sandbox-phones"),
    path("sandbox/phones/gateway/", phones.gateway, name="sandbox-gateway"),
    path("sandbox/phones/mood/", phones.mood, name="sandbox-mood"),
    path("sandbox/phones/quiet/", phones.quiet, name="sandbox-quiet"),
    path("sandbox/phones/<str:number>/call/", phones.call, name="sandbox-call"),
    path("sandbox/phones/<str:number>/", phones.one, name="sandbox-phone"),
]
