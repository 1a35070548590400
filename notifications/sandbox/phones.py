"""The phones: several beside each other in the browser, each with what came, what was called, and a box to answer."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, time
from urllib.parse import urlencode

from django import forms
from django.contrib import messages
from django.db.models import F, Max, Q, QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from core import clock
from notifications import phone
from notifications.models import Call, Gateway, Message, Sender
from notifications.quiet import WAITS
from notifications.sandbox import carrier
from notifications.sandbox.models import Mood, Text
from notifications.states import MessageState

QUIET = (time(21), time(8))
OUT = (Text.Direction.OUTBOUND, Text.Direction.OUTBOUND_REPLY)
BESIDE = 4  # phones that fit beside each other
KEPT = 60  # texts of a conversation that are shown
# 47-21 in a text; no part of a telephone number or of a stretch of time
ORDER_NUMBER = re.compile(r"(?<![\d:-])\d\d-\d\d(?![\d:-])")


class OpenForm(forms.Form):
    """A number to look at, as people type it."""

    number = forms.CharField(label=gettext_lazy("Open a phone by its number"), max_length=30)

    def clean_number(self) -> str:
        try:
            return phone.parse(self.cleaned_data["number"], "KR")
        except phone.NotANumber:
            raise forms.ValidationError(_("This is no telephone number that somebody could have.")) from None


class ReplyForm(forms.Form):
    """What the phone's owner answers."""

    body = forms.CharField(
        label=gettext_lazy("Answer"), max_length=1600, widget=forms.Textarea(attrs={"rows": 2}), strip=False
    )


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing in a phone's history: a text that came (`theirs`) or went (`mine`), or a call of the staff."""

    at: datetime
    kind: str
    body: str
    status: str = ""

    @property
    def numbers(self) -> list[str]:
        """The order numbers in it, to be copied."""
        return list(dict.fromkeys(ORDER_NUMBER.findall(self.body)))


@dataclass(frozen=True, slots=True)
class Handset:
    """One phone: whose texts it can answer, and why not when it cannot."""

    number: str
    shown: str
    landline: bool
    entries: list[Entry]
    zone: str
    sender: Sender | None
    senders: list[Sender]
    shut: str

    @property
    def slug(self) -> str:
        """Part of the ids of its elements."""
        return self.number.lstrip("+")


@never_cache
@require_http_methods(["GET", "HEAD"])
def phones(request: HttpRequest) -> HttpResponse:
    """Phones beside each other: those chosen (`?phone=`), else a few with news; `?add=` and `?number=` put one more."""
    form = OpenForm(request.GET) if "number" in request.GET else OpenForm()
    chosen = _chosen(request.GET.getlist("phone"))
    more = _chosen(request.GET.getlist("add"))
    if form.is_bound and form.is_valid():
        more.append(form.cleaned_data["number"])
    if more:
        kept = [number for number in chosen if number not in more]
        return redirect(_beside([*more, *kept][:BESIDE]))
    shown = (chosen or _with_news())[:BESIDE]
    context = {
        "handsets": [
            {
                "phone": _handset(number),
                "without": _beside([one for one in shown if one != number]),
                "form": ReplyForm(),
            }
            for number in shown
        ],
        "chosen": shown,
        "here": _beside(shown) if chosen else reverse("sandbox-phones"),
        "form": form,
        **_switches(),
    }
    return render(request, "sandbox/phones.html", context)


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def one(request: HttpRequest, number: str) -> HttpResponse:
    """One phone by itself; `?part` is its conversation alone, which htmx asks for again and again."""
    if _chosen([number]) != [number]:
        raise Http404
    seen = _handset(number, to=request.POST.get("sender", ""))
    if "part" in request.GET:
        return render(request, "sandbox/_conversation.html", {"phone": seen})
    form = ReplyForm(request.POST or None)
    if request.method == "POST" and seen.sender and not seen.shut and form.is_valid():
        carrier.bring(sent_from=number, sent_to=seen.sender.number, body=form.cleaned_data["body"], now=clock.now())
        back = request.POST.get("next", "")
        inside = url_has_allowed_host_and_scheme(back, {request.get_host()}, require_https=request.is_secure())
        return redirect(back) if back and inside else redirect("sandbox-phone", number=number)
    return render(request, "sandbox/phone.html", {"phone": seen, "form": form, **_switches()})


@require_POST
def call(request: HttpRequest, number: str) -> HttpResponse:
    """The phone rings the library, or presses keys in the call; `hidden` keeps its number back."""
    if _chosen([number]) != [number]:
        raise Http404
    seen = _handset(number, to=request.POST.get("sender", ""))
    if seen.sender is None:
        return redirect("sandbox-phone", number=number)
    path, hidden = request.POST.get("path", ""), request.POST.get("hidden") == "1"
    if path and not path.startswith(reverse("twilio-calls")):
        raise Http404
    sid, heard = carrier.ring(
        sent_from="anonymous" if hidden else number,
        sent_to=seen.sender.number,
        sid=request.POST.get("sid", "")[:64],
        path=path,
        keys=request.POST.get("keys", "")[:20],
    )
    context = {"phone": seen, "heard": heard, "sid": sid, "hidden": hidden}
    return render(request, "sandbox/call.html", context)


@require_POST
def gateway(request: HttpRequest) -> HttpResponse:
    """Switch between Twilio and a domestic gateway that carries replies, for every sender in Korea."""
    chosen = Gateway.DOMESTIC if request.POST.get("domestic") == "1" else Gateway.TWILIO
    Sender.objects.filter(region="KR").update(gateway=chosen)
    if chosen == Gateway.DOMESTIC:
        messages.success(request, _("Replies from Korean phones arrive now."))
    else:
        messages.success(request, _("Replies from Korean phones do not arrive now, as with Twilio."))
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


class MoodForm(forms.ModelForm):  # type: ignore[type-arg]
    """How well the carrier works."""

    class Meta:
        model = Mood
        fields = ("reports", "answers_lost")
        labels = {
            "reports": gettext_lazy("Delivery reports"),
            "answers_lost": gettext_lazy("It takes a text and answers with an error"),
        }


@require_POST
def mood(request: HttpRequest) -> HttpResponse:
    """Let the carrier work badly from now on, or well again."""
    form = MoodForm(request.POST, instance=Mood.now())
    if form.is_valid():
        form.save()
        messages.success(request, _("The carrier works like that from now on."))
    return redirect("sandbox-phones")


def _switches() -> dict[str, object]:
    return {"domestic": _domestic(), "quiet": _quiet(), "mood": MoodForm(instance=Mood.now())}


def _quiet() -> dict[str, object]:
    kept = Sender.objects.exclude(quiet_from=F("quiet_until")).exists()
    return {"kept": kept, "waiting": _waiting().count() if kept else 0}


def _waiting() -> QuerySet[Message]:
    return Message.objects.filter(state=MessageState.QUEUED, kind__in=WAITS, not_before__gt=clock.now())


def _chosen(numbers: Sequence[str]) -> list[str]:
    """Those of the numbers that are telephone numbers as they are kept, each once."""
    found = []
    for number in numbers[: 2 * BESIDE]:
        try:
            if phone.parse(number, "US") == number:
                found.append(number)
        except phone.NotANumber:
            continue
    return list(dict.fromkeys(found))


def _beside(numbers: Sequence[str]) -> str:
    return f"{reverse('sandbox-phones')}?{urlencode({'phone': numbers}, doseq=True)}"


def _with_news() -> list[str]:
    """A few phones worth a look: the newest that can answer, the newest others, the landline that was called last."""
    newest = list(
        Text.objects.filter(direction__in=OUT)
        .values("sent_to")
        .annotate(newest=Max("id"))
        .order_by("-newest")
        .values_list("sent_to", flat=True)[:50]
    )
    sender = Sender.objects.order_by("key").first()
    answering = [number for number in newest if sender and not carrier.reply_shut(number=number, sender=sender)]
    called = list(Call.objects.order_by("-id").values_list("number", flat=True)[:1])
    others = [number for number in newest if number not in answering]
    return list(dict.fromkeys([*answering[:1], *others[:2], *called, *answering]))[:BESIDE]


def _handset(number: str, *, to: str = "") -> Handset:
    texts = _conversation(number)
    senders = list(Sender.objects.order_by("key"))
    sender = _sender(to, texts, senders)
    landline = not phone.can_text(number)
    shut = ""
    if not landline:
        shut = carrier.reply_shut(number=number, sender=sender) if sender else _("There is no sender yet.")
    calls = Call.objects.filter(number=number).order_by("-id")[:KEPT]
    entries = [
        Entry(text.created_at, "mine" if text.direction == Text.Direction.INBOUND else "theirs", text.body, text.status)
        for text in texts
    ]
    entries += [Entry(call.due_at, "call", call.say, call.get_state_display()) for call in calls]
    return Handset(
        number=number,
        shown=phone.display(number, "KR"),
        landline=landline,
        entries=sorted(entries, key=lambda entry: entry.at),
        zone=sender.zone if sender else "UTC",
        sender=sender,
        senders=senders,
        shut=shut,
    )


def _conversation(number: str) -> list[Text]:
    rows = Text.objects.filter(Q(sent_to=number, direction__in=OUT) | Q(sent_from=number, direction="inbound"))
    return list(reversed(rows.order_by("-id")[:KEPT]))


def _sender(chosen: str, talk: list[Text], senders: Sequence[Sender]) -> Sender | None:
    """Whom the phone writes to: the one it chose, else the last it heard from, else any."""
    known = {sender.number: sender for sender in senders}
    heard = [text.sent_from for text in reversed(talk) if text.direction in OUT and text.sent_from in known]
    return known.get(chosen) or known.get(next(iter(heard), "")) or next(iter(senders), None)


def _domestic() -> bool:
    return Sender.objects.filter(region="KR", gateway=Gateway.DOMESTIC).exists()
