"""Numbers that Twilio keeps for testing: to or from them every text meets the same error.

Source: Twilio, "Test credentials", section on sending an SMS, https://www.twilio.com/docs/iam/test-credentials, read on
29 November 2026. There they count for test credentials alone; the sandbox, which is nothing but a test, always knows
them. The sentences are ours.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import Final

TO: Final = MappingProxyType(
    {
        "+15005550001": (21211, "Invalid 'To' phone number"),
        "+15005550002": (21612, "The carrier has no route to this 'To' number"),
        "+15005550003": (21408, "The account may not send to the country of this 'To' number"),
        "+15005550004": (21610, "The recipient has unsubscribed"),
        "+15005550009": (21614, "This 'To' number cannot receive texts"),
    }
)
FROM: Final = MappingProxyType(
    {
        "+15005550001": (21212, "Invalid 'From' phone number"),
        "+15005550007": (21606, "The account cannot send texts from this 'From' number"),
        "+15005550008": (21611, "The queue of this 'From' number is full"),
    }
)
