"""Who works in a library, and as what. Managers give and take roles; one manager always stays."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable

from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from core.refusal import BadInput, NotFound, Refusal
from lending.models import Account, Library, Membership, Patron, Token

Role = Membership.Role


class LastManager(Refusal):
    """Nobody could give roles any more."""

    code = "last_manager"
    sentence = _("This is the only manager of the library. Please make somebody else a manager first.")


class WeakPassword(BadInput):
    """Facts: none."""

    code = "weak_password"
    sentence = _("Please choose a password of at least 10 characters that is not a common one.")


class NameTaken(Refusal):
    """Somebody else signs in by this name."""

    code = "username_taken"
    sentence = _("This user name belongs to somebody already.")


def of(library_id: int) -> list[Membership]:
    """Who works in the library, managers first."""
    rows = Membership.objects.filter(library=library_id).select_related("account__second_factor")
    return sorted(rows, key=lambda one: (one.role != Role.MANAGER, one.account.first_name, one.account.username))


def names_of(principals: Iterable[str]) -> dict[str, str]:
    """What colleagues call those who acted, by what the histories keep of them (`staff:3`, `device:7`, `rule`).

    Who has no name any more stays what is kept. Two queries at most, however many are asked about.
    """
    ids: dict[str, set[int]] = {"staff": set(), "device": set()}
    for principal in set(principals):
        kind, _colon, row = principal.partition(":")
        if kind in ids and row.isdecimal():
            ids[kind].add(int(row))
    accounts = Account.objects.filter(pk__in=ids["staff"])
    devices = Token.objects.filter(pk__in=ids["device"])
    return {
        "rule": gettext("the service itself"),
        **{f"staff:{account.pk}": account.first_name or account.username for account in accounts},
        **{f"device:{token.pk}": token.device for token in devices if token.device},
    }


@transaction.atomic
def give(*, library_id: int, username: str, role: str) -> Membership:
    """Give somebody who has an account a role in a library, in place of the one they had.

    Refuses with `not_found` a name that nobody has or that is a patron's, with `last_manager` and `invalid` (role).
    """
    if role not in Role.values:
        raise BadInput(field="role")
    _lock(library_id)
    account = Account.objects.filter(username=username, is_active=True).first()
    if account is None or Patron.objects.filter(account=account).exists():
        raise NotFound(field="username")
    if role != Role.MANAGER:
        _keep_one(library_id, account.pk)
    return Membership.objects.update_or_create(account=account, library_id=library_id, defaults={"role": role})[0]


@transaction.atomic
def take(*, library_id: int, account_id: int) -> None:
    """Take the role away; the account stays. Refuses with `not_found` and `last_manager`."""
    _lock(library_id)
    member = Membership.objects.filter(library=library_id, account=account_id).first()
    if member is None:
        raise NotFound
    _keep_one(library_id, account_id)
    member.delete()


@transaction.atomic
def hire(*, library_id: int, username: str, name: str, password: str, role: str) -> Membership:
    """An account for somebody new, with a role. Refuses with `username_taken`, `weak_password` and `invalid`."""
    plain = unicodedata.normalize("NFKC", username).strip()
    if not plain or len(plain) > 150 or not all(ch.isprintable() for ch in plain):
        raise BadInput(field="username")
    try:
        validate_password(password)
    except ValidationError as error:
        raise WeakPassword(field="password") from error
    try:
        with transaction.atomic():
            Account.objects.create_user(username=plain, password=password, first_name=" ".join(name.split())[:150])
    except IntegrityError as error:
        raise NameTaken(field="username") from error
    return give(library_id=library_id, username=plain, role=role)


def _lock(library_id: int) -> None:
    Library.objects.select_for_update(no_key=True).get(pk=library_id)


def _keep_one(library_id: int, but: int) -> None:
    managers = Membership.objects.filter(library=library_id, role=Role.MANAGER)
    if managers.filter(account=but).exists() and not managers.exclude(account=but).exists():
        raise LastManager
