"""What a sitting has measured: printed as ratios with their spread, and kept as JSON in `build/bench`.

Machines are noisy, so a figure says little without the load and the number of cores beside it, and a missed
target is printed, not asserted: a busy machine fails no correct code.
"""

import json
import os
import statistics
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
FOLDER = Path(os.environ.get("BENCH_DIR", ROOT / "build/bench"))


def ratios(ours: Sequence[float], others: Sequence[float]) -> list[float]:
    """The ratio of each round, whose two figures were measured one after the other.

    >>> ratios([4.0, 9.0], [2.0, 3.0])
    [2.0, 3.0]
    """
    return [mine / other for mine, other in zip(ours, others, strict=True)]


def verdict(ratio: float, target: float) -> str:
    """
    >>> verdict(0.3, 0.2), verdict(0.1, 0.2)
    ('target 0.2', 'target 0.2 MISSED')
    """
    return f"target {target:g}" + ("" if ratio >= target else " MISSED")


class Sitting:
    """One measurement: rounds of rates by name, ours among them.

    Args:
        name: of the JSON file.
        unit: of the rates; more is better.
    """

    def __init__(self, name: str, unit: str) -> None:
        self.name = name
        self.unit = unit
        self.rounds: dict[str, list[float]] = {}
        self._load_before = os.getloadavg()[0]

    def add(self, name: str, rate: float) -> None:
        """Note the rate of one round."""
        self.rounds.setdefault(name, []).append(rate)

    def report(self, ours: str, targets: Mapping[str, float | None]) -> None:
        """Print everything, ours as ratios to the others, and write the file.

        Args:
            targets: by the name of what ours is compared with; None: there is none.
        """
        load = [self._load_before, os.getloadavg()[0]]
        print(f"\n{self.name}: {os.cpu_count()} cores, load {load[0]:.1f} before and {load[1]:.1f} after")
        print(f"| {self.name} | {self.unit} (median) | min | max |\n|--|--|--|--|")
        for name, rates in self.rounds.items():
            print(f"| {name} | {statistics.median(rates):,.1f} | {min(rates):,.1f} | {max(rates):,.1f} |")
        compared: dict[str, Any] = {}
        for other, target in targets.items():
            found = ratios(self.rounds[ours], self.rounds[other])
            middle = statistics.median(found)
            said = "" if target is None else verdict(middle, target)
            print(
                f"| {ours} / {other} | × {middle:.2f} | {min(found):.2f} | {max(found):.2f} | {said}",
                flush=True,
            )
            compared[f"{ours} / {other}"] = {"ratios": found, "median": middle, "target": target}
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
