"""Who acts, and through which door."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, cast

if TYPE_CHECKING:
    from django.http import HttpRequest

ActorKind = Literal["anyone", "patron", "collector", "staff", "device", "carrier", "rule"]
Channel = Literal["web", "api", "text", "call", "link", "code", "sign", "desk", "phone", "rule"]


@dataclass(frozen=True, slots=True)
class Actor:
    """The one who acts: a kind, the id of the row behind it, and the door (`channel`) it came through.

    `id` is the account of staff, the patron, the order of a link holder, the token of a device, else None.
    """

    kind: ActorKind
    id: int | None = None
    channel: Channel = "web"

    @property
    def principal(self) -> str:
        """What journals keep: nothing that names a patron, e.g. `staff:3`, `patron`, `device:7`, `rule`."""
        return f"{self.kind}:{self.id}" if self.kind in {"staff", "device"} else self.kind

    @property
    def key(self) -> str:
        """Tells one actor from every other; for idempotency keys and counters, never for journals."""
        return f"{self.kind}:{self.id}"

    @property
    def is_staff(self) -> bool:
        return self.kind == "staff"

    @staticmethod
    def of(request: HttpRequest) -> Actor:
        """The actor whom the authentication of this request has set."""
        return cast("Actor", getattr(request, "actor", ANYONE))


ANYONE = Actor("anyone")
RULE = Actor("rule", channel="rule")
CARRIER = Actor("carrier", channel="text")
