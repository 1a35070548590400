"""What a benchmark gives back."""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from typing import Literal

Better = Literal["more", "less"]


@dataclass(frozen=True)
class Ratio:
    """One figure beside what it is measured against in the same run.

    `ours` and `theirs` hold one figure a round, rounds interleaved; the ratio is the median of the rounds' ratios.
    Where `theirs` is empty, `must` is a limit of the figure itself.
    """

    what: str
    unit: str
    ours: tuple[float, ...]
    against: str
    theirs: tuple[float, ...] = ()
    must: float | None = None
    better: Better = "more"

    @property
    def mine(self) -> float:
        return statistics.median(self.ours)

    @property
    def other(self) -> float | None:
        return statistics.median(self.theirs) if self.theirs else None

    @property
    def ratio(self) -> float | None:
        """Ours over theirs; None where there is nothing to divide by."""
        pairs = [one / two for one, two in zip(self.ours, self.theirs, strict=False) if two]
        return statistics.median(pairs) if pairs else None

    @property
    def holds(self) -> bool | None:
        """Whether the bar is reached; None where there is none."""
        figure = self.ratio if self.theirs else self.mine
        if self.must is None or figure is None:
            return None
        return figure >= self.must if self.better == "more" else figure <= self.must
