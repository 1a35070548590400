"""Windows and slots, orders and their lines, promises, visits and lanes."""

from pickup.models.bags import Link, Order, OrderLine, Question
from pickup.models.lanes import Lane, Visit
from pickup.models.times import Appointment, PointRules, Slot, Window

__all__ = ["Appointment", "Lane", "Link", "Order", "OrderLine", "PointRules", "Question", "Slot", "Visit", "Window"]
