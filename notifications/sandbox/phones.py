"""The phones: whatever a text was sent to, in the browser, with its conversation and a box to answer."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import time

from django import forms
from django.contrib import messages
from django.db.models import F, Max, Q, QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from core import clock
from notifications import phone
from notifications.models import Gateway, Message, Sender
from notifications.quiet import WAITS
from notifications.sandbox import carrier
from notifications.sandbox.models import Text
from notifications.states import MessageState

QUIET = (time(21), time(8))
OUT = (Text.Direction.OUTBOUND, Text.Direction.OUTBOUND_REPLY)


class OpenForm(forms.Form):
    """A number to look at, as people type it."""

    number = forms.CharField(label=gettext_lazy("Open a phone by its number"), max_length=30)

    def clean_number(self) -> str:
        try:
            number = phone.parse(self.cleaned_data["number"], "KR")
        except phone.NotANumber:
            raise forms.ValidationError(_("This is no telephone number that somebody could have.")) from None
        if not phone.can_text(number):
            raise forms.ValidationError(_("A landline takes no texts; the library calls it.")) from None
        return number


class ReplyForm(forms.Form):
    """What the phone's owner answers."""

    body = forms.CharField(
        label=gettext_lazy("Answer"), max_length=1600, widget=forms.Textarea(attrs={"rows": 2}), strip=False
    )


@dataclass(frozen=True, slots=True)
class Phone:
    """One phone in the list."""

    number: str
    shown: str
    last: Text


@never_cache
@require_http_methods(["GET", "HEAD"])
def phones(request: HttpRequest) -> HttpResponse:
    """Every phone that a text was sent to or came from, the last active first; `?number=` opens another one."""
    form = OpenForm(request.GET) if "number" in request.GET else OpenForm()
    if form.is_bound and form.is_valid():
        return redirect("sandbox-phone", number=form.cleaned_data["number"])
    listed = [_phone(number, last) for number, last in _last_texts()]
    context = {"phones": listed, "form": form, "domestic": _domestic(), "quiet": _quiet()}
    return render(request, "sandbox/phones.html", context)


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def one(request: HttpRequest, number: str) -> HttpResponse:
    """One phone: its conversation, kept fresh by htmx (`?part`), and a box to answer where answers arrive."""
    try:
        if phone.parse(number, "US") != number:
            raise Http404
        shown = phone.display(number, "KR")
    except phone.NotANumber:
        raise Http404 from None
    talk = _conversation(number)
    sender = _sender(request, talk)
    zone = sender.zone if sender else "UTC"
    if "part" in request.GET:
        return render(request, "sandbox/_conversation.html", {"number": number, "texts": talk, "zone": zone})
    shut = carrier.reply_shut(number=number, sender=sender) if sender else _("There is no sender yet.")
    form = ReplyForm(request.POST or None)
    if request.method == "POST" and sender and not shut and form.is_valid():
        carrier.bring(sent_from=number, sent_to=sender.number, body=form.cleaned_data["body"], now=clock.now())
        return redirect("sandbox-phone", number=number)
    context = {
        "number": number,
        "shown": shown,
        "texts": talk,
        "zone": zone,
        "form": form,
        "sender": sender,
        "senders": Sender.objects.order_by("key"),
        "shut": shut,
        "domestic": _domestic(),
        "quiet": _quiet(),
    }
    return render(request, "sandbox/phone.html", context)


@require_POST
def gateway(request: HttpRequest) -> HttpResponse:
    """Switch between Twilio and a domestic gateway that carries replies, for every sender in Korea."""
    chosen = Gateway.DOMESTIC if request.POST.get("domestic") == "1" else Gateway.TWILIO
    Sender.objects.filter(region="KR").update(gateway=chosen)
    if chosen == Gateway.DOMESTIC:
        messages.success(request, _("Replies from Korean phones arrive now."))
    else:
        messages.success(request, _("Replies from Korean phones do not arrive now, as with Twilio."))
    back = request.POST.get("number", "")
    try:
        return redirect("sandbox-phone", number=phone.parse(back, "US"))
    except phone.NotANumber:
        return redirect("sandbox-phones")


@require_POST
def quiet(request: HttpRequest) -> HttpResponse:
    """Keep quiet hours (21:00 to 08:00), or send at night too; what waits for the morning leaves at once then."""
    kept = request.POST.get("kept") == "1"
    start, end = QUIET if kept else (time(), time())
    Sender.objects.update(quiet_from=start, quiet_until=end)
    if kept:
        messages.success(request, _("Notices wait for the morning again."))
    else:
        _waiting().update(not_before=clock.now())
        messages.success(request, _("Texts leave at once now, also at night."))
    return redirect("sandbox-phones")


def _quiet() -> dict[str, object]:
    kept = Sender.objects.exclude(quiet_from=F("quiet_until")).exists()
    return {"kept": kept, "waiting": _waiting().count() if kept else 0}


def _waiting() -> QuerySet[Message]:
    return Message.objects.filter(state=MessageState.QUEUED, kind__in=WAITS, not_before__gt=clock.now())


def _conversation(number: str) -> list[Text]:
    rows = Text.objects.filter(Q(sent_to=number, direction__in=OUT) | Q(sent_from=number, direction="inbound"))
    return list(reversed(rows.order_by("-id")[:100]))


def _last_texts() -> list[tuple[str, Text]]:
    newest: dict[str, int] = {}
    for rows, column in ((_outbound(), "sent_to"), (Text.objects.filter(direction="inbound"), "sent_from")):
        for row in rows.values(column).annotate(newest=Max("id")):
            newest[row[column]] = max(row["newest"], newest.get(row[column], 0))
    texts = Text.objects.in_bulk(newest.values())
    return sorted(((number, texts[key]) for number, key in newest.items()), key=lambda one: -one[1].pk)[:200]


def _outbound() -> QuerySet[Text]:
    return Text.objects.filter(direction__in=OUT)


def _phone(number: str, last: Text) -> Phone:
    return Phone(number=number, shown=phone.display(number, "KR"), last=last)


def _sender(request: HttpRequest, talk: list[Text]) -> Sender | None:
    """Whom the phone writes to: the one it chose, else the last it heard from, else any."""
    senders = {sender.number: sender for sender in Sender.objects.order_by("-key")}
    chosen = request.POST.get("sender", "")
    heard = [text.sent_from for text in reversed(talk) if text.direction in OUT and text.sent_from in senders]
    return senders.get(chosen) or senders.get(next(iter(heard), "")) or next(reversed(senders.values()), None)


def _domestic() -> bool:
    return Sender.objects.filter(region="KR", gateway=Gateway.DOMESTIC).exists()
