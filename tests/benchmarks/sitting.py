"""What a sitting has measured: printed as ratios with their spread, and kept as JSON in `build/bench`.

Machines are noisy, so a figure says little without the load and the number of cores beside it, and a missed
target is printed, not asserted: a busy machine fails no correct code.
"""

import json
import os
import statistics
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
FOLDER = Path(os.environ.get("BENCH_DIR", ROOT / "build/bench"))


def ratios(ours: Sequence[float], others: Sequence[float]) -> list[float]:
    """The ratio of each round, whose two figures were measured one after the other.

    >>> ratios([4.0, 9.0], [2.0, 3.0])
    [2.0, 3.0]
    """
    return [mine / other for mine, other in zip(ours, others, strict=True)]


def p99(values: Sequence[float]) -> float:
    """
    >>> p99(range(1000))
    990
    """
    return sorted(values)[int(len(values) * 0.99)]


def shown(figure: float) -> str:
    """
    >>> shown(24200.4), shown(0.21875)
    ('24,200', '0.219')
    """
    return f"{figure:,.0f}" if figure >= 100 else f"{figure:.3g}"


@dataclass(frozen=True)
class Aim:
    """What one figure is to reach, or its ratio to another one."""

    name: str
    over: str
    at_least: float | None
    at_most: float | None
    of: Callable[[Sequence[float]], float]

    @property
    def label(self) -> str:
        kind = "" if self.of is statistics.median else f", {self.of.__name__}"
        return (f"{self.name} / {self.over}" if self.over else self.name) + kind

    def verdict(self, figure: float) -> str:
        """
        >>> Aim("a", "", 0.2, None, max).verdict(0.1), Aim("a", "", None, 3, max).verdict(0.1)
        ('aim ≥ 0.2 MISSED', 'aim ≤ 3')
        """
        if self.at_least is not None:
            return f"aim ≥ {self.at_least:g}" + ("" if figure >= self.at_least else " MISSED")
        if self.at_most is not None:
            return f"aim ≤ {self.at_most:g}" + ("" if figure <= self.at_most else " MISSED")
        return ""


class Sitting:
    """One measurement: the values of each figure, those that are compared from rounds in turn.

    Args:
        name: of the JSON file.
        unit: of the figures, unless their names say it.
    """

    def __init__(self, name: str, unit: str = "") -> None:
        self.name = name
        self.unit = unit
        self.rounds: dict[str, list[float]] = {}
        self.aims: list[Aim] = []
        self._load_before = os.getloadavg()[0]

    def add(self, name: str, *values: float) -> None:
        """Note what a round has measured."""
        self.rounds.setdefault(name, []).extend(values)

    def aim(
        self,
        name: str,
        *,
        over: str = "",
        at_least: float | None = None,
        at_most: float | None = None,
        of: Callable[[Sequence[float]], float] = statistics.median,
    ) -> None:
        """Report this of the figure, or of its ratios to another one, beside what is aimed at."""
        self.aims.append(Aim(name, over, at_least, at_most, of))

    def report(self) -> None:
        """Print everything, and write the file."""
        load = [self._load_before, os.getloadavg()[0]]
        print(f"\n{self.name}: {os.cpu_count()} cores, load {load[0]:.1f} before and {load[1]:.1f} after")
        print(f"| {self.name} | {self.unit} (median) | min | max | p99 |\n|--|--|--|--|--|")
        for name, values in self.rounds.items():
            high = shown(p99(values)) if len(values) >= 100 else ""
            spread = f"{shown(min(values))} | {shown(max(values))}"
            print(f"| {name} | {shown(statistics.median(values))} | {spread} | {high} |")
        compared: dict[str, dict[str, object]] = {}
        for aim in self.aims:
            values = self.rounds[aim.name]
            found = ratios(values, self.rounds[aim.over]) if aim.over else values
            figure = aim.of(found)
            times = "× " if aim.over else ""
            spread = f"{shown(min(found))} | {shown(max(found))}"
            print(f"| {aim.label} | {times}{shown(figure)} | {spread} | {aim.verdict(figure)} |", flush=True)
            compared[aim.label] = {"figure": figure, "at_least": aim.at_least, "at_most": aim.at_most}
        FOLDER.mkdir(parents=True, exist_ok=True)
        kept = {"unit": self.unit, "cores": os.cpu_count(), "load": load, "commit": commit()}
        text = json.dumps(kept | {"rounds": self.rounds, "compared": compared}, indent=2)
        (FOLDER / f"{self.name.replace(' ', '-')}.json").write_text(text + "\n")


def commit() -> str:
    """The commit that is measured, with a `+` when files differ from it."""
    done = subprocess.run(
        ["git", "describe", "--always", "--dirty=+", "--exclude=*"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout.strip()
