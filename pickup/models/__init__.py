"""Windows, slots and when people like to come, orders and their lines, promises, visits and lanes, rehearsals."""

from pickup.models.bags import Link, Note, Order, OrderLine, Question
from pickup.models.lanes import Lane, Visit
from pickup.models.rehearsals import Rehearsal, RehearsalCar
from pickup.models.times import Appointment, PointChange, PointRules, Preference, Slot, Window

__all__ = [
    "Appointment",
    "Lane",
    "Link",
    "Note",
    "Order",
    "OrderLine",
    "PointChange",
    "PointRules",
    "Preference",
    "Question",
    "Rehearsal",
    "RehearsalCar",
    "Slot",
    "Visit",
    "Window",
]
