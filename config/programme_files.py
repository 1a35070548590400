"""A programme in one TOML file: its lending rules, its calendar, and how its pickup places hand over.

`[lending]` are columns of Programme, `[[allowances]]` classes with larger limits, `[calendar]` columns of the
libraries, `[pickup.any]` columns of PointRules with `windows`; `[pickup.<layout>]` stands in its place where places
have that layout. Those in programmes/ are programmes that exist.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from django.core.exceptions import ValidationError
from django.db import models, transaction

from core.actor import Actor
from lending import programmes
from lending import surge as surge_rules
from lending.models import Allowance, Library, PickupPoint, Programme
from pickup import fitting
from pickup.models import PointRules, Window

FOLDER = Path(__file__).parent / "programmes"
TABLES = {"key", "name_ko", "name_en", "lending", "allowances", "calendar", "pickup"}
CALENDAR = {"weekly_closed", "nth_closed", "holidays"}


class BadFile(Exception):
    """The file says something that is no rule: where, and what."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What a file says."""

    key: str
    names: dict[str, str]
    lending: dict[str, Any]
    allowances: list[dict[str, Any]] = field(default_factory=list)
    calendar: dict[str, Any] = field(default_factory=dict)
    pickup: dict[str, dict[str, Any]] = field(default_factory=dict)


@dataclass(slots=True)
class Loaded:
    """What was written: the programme, how many libraries, places and windows follow it."""

    programme: Programme
    libraries: int = 0
    points: int = 0
    windows: int = 0


def read(path: Path) -> Plan:
    """The plan in a file. Refuses what cannot be read, and names that are no rule, with BadFile."""
    try:
        told = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeError, tomllib.TOMLDecodeError) as error:
        raise BadFile(f"{path.name}: {error}") from error
    _known("the file", told, TABLES)
    for name in ("key", "name_ko", "name_en", "lending"):
        if name not in told:
            raise BadFile(f"{path.name}: {name} is missing")
    _known("[lending]", told["lending"], _columns(Programme) - {"key", "name_ko", "name_en"})
    _known("[calendar]", told.get("calendar", {}), CALENDAR)
    for name, rules in told.get("pickup", {}).items():
        if name != "any" and name not in PickupPoint.Layout.values:
            raise BadFile(f"[pickup.{name}]: there is no such layout")
        _known(f"[pickup.{name}]", rules, _columns(PointRules) - {"point"} | {"windows"})
        for window in rules.get("windows", []):
            _known(f"[[pickup.{name}.windows]]", window, _columns(Window) - {"point", "weekday"} | {"weekdays"})
    for allowance in told.get("allowances", []):
        _known("[[allowances]]", allowance, _columns(Allowance) - {"programme"})
    return Plan(
        key=told["key"],
        names={"name_ko": told["name_ko"], "name_en": told["name_en"]},
        lending=told["lending"],
        allowances=told.get("allowances", []),
        calendar=told.get("calendar", {}),
        pickup=told.get("pickup", {}),
    )


@transaction.atomic
def load(plan: Plan, *, library_codes: list[str], by: Actor, now: datetime, surge: bool = False) -> Loaded:
    """Write the programme, and let these libraries and their pickup places follow it. Refuses with BadFile.

    With `surge` they follow its lending rules, and only while their building is closed: calendar and pickup places stay
    as they are, for both hold on all days; a window says itself on which days it holds.

    A rule that the file leaves out gets its default. Windows are replaced and slots follow: who has a time keeps it,
    and what the new windows do not have takes nobody new.
    """
    programme, _made = Programme.objects.get_or_create(key=plan.key, defaults=plan.names)
    wanted = {**_defaults(Programme), **plan.names, **plan.lending}
    try:
        programmes.change(
            programme_id=programme.pk,
            values={name: wanted[name] for name in (*programmes.NAMES, *programmes.RULES)},
            by=by,
            now=now,
        )
    except programmes.NoSuchRule as error:
        raise BadFile(f"[lending] {error.field}: {error.facts['why']}") from error
    programme.refresh_from_db()
    for columns in plan.allowances:
        allowance = Allowance.objects.filter(programme=programme, key=columns["key"]).first()
        _write(allowance or Allowance(programme=programme), columns)
    loaded = Loaded(programme)
    for code in library_codes:
        library = Library.objects.select_for_update(no_key=True).filter(code=code).first()
        if library is None:
            raise BadFile(f"there is no library {code}; the libraries are {', '.join(_codes())}")
        if surge:
            surge_rules.lend_by(library_id=library.pk, programme_id=programme.pk, by=by, now=now)
            loaded.libraries += 1
            continue
        _write(library, {"programme": programme, **plan.calendar})
        loaded.libraries += 1
        for point in library.pickup_points.all():
            told = plan.pickup.get(point.layout, plan.pickup.get("any"))
            if told is not None:
                loaded.points += 1
                loaded.windows += _follow(point, told, now=now)
        fitting.follow(library, now=now)
    return loaded


def _follow(point: PickupPoint, told: dict[str, Any], *, now: datetime) -> int:
    columns = {name: value for name, value in told.items() if name != "windows"}
    rules = PointRules.objects.filter(point=point).first() or PointRules(point=point)
    kept = {"point", "bag_places", "shut_until", "service_seconds"}
    _write(rules, {**_defaults(PointRules), **columns}, keep=kept - set(columns))
    old = Window.objects.filter(point=point)
    fitting.release(list(old.values_list("pk", flat=True)), now=now)
    old.delete()
    made = 0
    for window in told.get("windows", []):
        for weekday in window.get("weekdays", [None]):
            plain = {name: value for name, value in window.items() if name != "weekdays"}
            _write(Window(point=point, weekday=weekday), plain)
            made += 1
    return made


def _write(row: models.Model, columns: dict[str, Any], keep: set[str] | frozenset[str] = frozenset()) -> None:
    for name, value in columns.items():
        if name not in keep:
            setattr(row, name, value)
    try:
        row.full_clean()
    except ValidationError as error:
        raise BadFile(f"{type(row).__name__}: {error.message_dict}") from error
    row.save()


def _columns(model: type[models.Model]) -> set[str]:
    return {column.name for column in model._meta.concrete_fields} - {"id"}


def _defaults(model: type[models.Model]) -> dict[str, Any]:
    """The columns that have one, or may be empty."""
    return {
        column.name: column.get_default()
        for column in model._meta.concrete_fields
        if column.has_default() or column.null
    }


def _known(where: str, told: dict[str, Any], names: set[str]) -> None:
    unknown = sorted(set(told) - names)
    if unknown:
        raise BadFile(f"{where}: {unknown[0]} is no rule; there are {', '.join(sorted(names))}")


def _codes() -> list[str]:
    return list(Library.objects.values_list("code", flat=True))
