"""Which picture stands beside what; the pictures are symbols of static/icons.svg."""

from __future__ import annotations

from django import template

register = template.Library()

LAYOUTS = {"file": "car", "bays": "square-parking", "door": "footprints", "locker": "package"}


@register.filter
def layout_icon(layout: str) -> str:
    """The picture of a pickup place of this layout."""
    return LAYOUTS.get(layout, "map-pin")
