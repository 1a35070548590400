"""Texts by mail, through whatever settings.EMAIL_BACKEND names: for people whom no text reaches.

Facts (RFC 5321)
- A reply of 4xx is for now, of 5xx for good (section 4.2.1). Until the server has answered the end of the data, nobody
  knows whether it has the mail (section 4.5.3.2.6): a connection that breaks then leaves a doubt.
- A mail server keeps no list that we could ask. The Message-ID is the same for a mail that is sent once more, so many
  mailboxes show it once (RFC 5322 section 3.6.4).
"""

from __future__ import annotations

import contextlib
import re
import smtplib
from collections.abc import Sequence
from datetime import datetime
from typing import Final
from urllib.parse import urlsplit

from django.conf import settings
from django.core.mail import EmailMessage, get_connection

from notifications.errors import Busy, CarrierError, InDoubt, NoConnection, NotSent, Stopped, Unreachable
from notifications.transports import Outgoing, Received, Report

_FIRST = re.compile(r".+?[.!?](?=\s|$)", re.DOTALL)
_ADDRESS = re.compile(r"https?://\S+")
SUBJECT: Final = 100  # characters; a line of a header holds 998 octets (RFC 5322 section 2.1.1)


class Email:
    """One plain mail for each text, in a connection of its own; answers go to the sender's mailbox, not to us."""

    def send(self, text: Outgoing) -> Report:
        """See Transport.send."""
        host = urlsplit(settings.PUBLIC_BASE_URL).hostname or "localhost"
        name = f"text-{text.message_id}"
        mail = EmailMessage(
            subject=subject(text.body),
            body=text.body,
            from_email=settings.DEFAULT_FROM_EMAIL,
            to=[text.to],
            headers={"Message-ID": f"<{name}@{host}>", "Auto-Submitted": "auto-generated"},
        )
        server = get_connection()
        try:
            server.open()
        except (smtplib.SMTPException, OSError) as error:
            raise _not_let_in(error) from error
        try:
            taken = server.send_messages([mail])
        except (smtplib.SMTPException, OSError) as error:
            raise _not_taken(error) from error
        except ValueError as error:  # an address or a header that cannot be written
            raise Unreachable("address", str(error)) from error
        finally:
            with contextlib.suppress(smtplib.SMTPException, OSError):  # a good-bye that fails takes nothing back
                server.close()
        if not taken:
            raise NotSent("", "the mail backend took nothing")
        return Report(name, "sent")

    def sent_to(self, number: str, *, since: datetime) -> Sequence[Report]:
        """A mail server keeps no list."""
        return []

    def fetch(self, provider_id: str) -> Report | None:
        """A mail server tells nothing afterwards."""
        return None

    def received(self, number: str, *, since: datetime) -> Sequence[Received]:
        """Mailboxes are not read."""
        return []


def subject(body: str) -> str:
    """The first sentence of a text, without any address: headers lie open where bodies do not."""
    plain = " ".join(_ADDRESS.sub("", body).split())
    first = _FIRST.match(plain)
    return (first[0] if first else plain)[:SUBJECT]


def _not_let_in(error: Exception) -> CarrierError:
    """What it means that no connection was made, or none that may send."""
    match error:
        case smtplib.SMTPAuthenticationError():
            return Stopped(str(error.smtp_code))
        case smtplib.SMTPNotSupportedError():
            return Stopped("", "the server does not offer what MAIL_URL asks for")
        case smtplib.SMTPResponseException():
            return Busy(str(error.smtp_code))
        case _:
            return NoConnection("", type(error).__name__)


def _not_taken(error: Exception) -> CarrierError:
    """What it means that the server did not say yes to a mail."""
    match error:
        case smtplib.SMTPRecipientsRefused():
            code = next(iter(error.recipients.values()))[0]
            return Unreachable(str(code)) if code >= 500 else Busy(str(code))
        case smtplib.SMTPSenderRefused():
            return Stopped(str(error.smtp_code)) if error.smtp_code >= 500 else Busy(str(error.smtp_code))
        case smtplib.SMTPDataError():
            return NotSent(str(error.smtp_code)) if error.smtp_code >= 500 else Busy(str(error.smtp_code))
        case smtplib.SMTPNotSupportedError():
            return NotSent("", "the server takes no such address")
        case _:
            return InDoubt("", type(error).__name__)
