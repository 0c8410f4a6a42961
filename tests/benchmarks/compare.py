"""Two commits in one sitting: the same benchmarks of this checkout, on the code of either in turn.

    make compare A=main B=HEAD ARGS="tests/benchmarks/bench_engine.py -k worker"     ROUNDS=3

Prints the ratio of B to A for each figure, with its spread over the rounds: first those that are ratios to
others themselves, which a busy machine changes least. For a rate more is better, for a time less.
"""

import json
import os
import shutil
import statistics
import subprocess
import sys
from pathlib import Path

from sitting import shown

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "build/compare"


def git(*arguments: str) -> str:
    return subprocess.run(
        ["git", *arguments],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    ).stdout.strip()


def checked_out(commit: str, place: Path) -> None:
    """Put the code of a commit there, with the benchmarks of this checkout."""
    remove(place)
    git("worktree", "add", "--detach", str(place), commit)
    shutil.rmtree(place / "tests/benchmarks", ignore_errors=True)
    shutil.copytree(ROOT / "tests/benchmarks", place / "tests/benchmarks")
    (place / "build").mkdir()
    (place / "build/peers").symlink_to(ROOT / "build/peers")


def remove(place: Path) -> None:
    if place.exists():
        git("worktree", "remove", "--force", str(place))


def measure(place: Path, arguments: list[str]) -> dict[str, float]:
    """One run: what came of each aim, and the median of each figure, with its unit."""
    results = place / "build/bench"
    shutil.rmtree(results, ignore_errors=True)
    env = os.environ | {"BENCH_DIR": str(results), "PYTHONPATH": str(place)}
    command = [sys.executable, "-m", "pytest", "-m", "bench", "-q", *arguments]
    subprocess.run(command, cwd=place, env=env, check=True)
    aims: dict[str, float] = {}
    figures: dict[str, float] = {}
    for file in sorted(results.glob("*.json")):
        kept = json.loads(file.read_text())
        aims |= {f"{file.stem}: {name}": aim["figure"] for name, aim in kept["compared"].items()}
        for name, values in kept["rounds"].items():
            figures[f"{file.stem}: {name}, {kept['unit']}".removesuffix(", ")] = statistics.median(values)
    return aims | figures


def main(first: str, second: str, arguments: list[str], rounds: int) -> None:
    places = [FOLDER / "a", FOLDER / "b"]
    runs: list[list[dict[str, float]]] = [[], []]
    try:
        for commit, place in zip((first, second), places, strict=True):
            checked_out(commit, place)
        for turn in range(rounds):
            for which in (0, 1) if turn % 2 == 0 else (1, 0):  # whoever is first finds a colder machine
                runs[which].append(measure(places[which], arguments))
    finally:
        for place in places:
            remove(place)
    cores, load = os.cpu_count(), os.getloadavg()[0]
    print(f"\n{second} against {first}: {rounds} rounds, {cores} cores, load {load:.1f} at the end")
    print("| figure | A (median) | B (median) | B / A | min | max |\n|--|--|--|--|--|--|")
    for name in [name for name in runs[0][0] if name in runs[1][0] and all(run[name] for run in runs[0])]:
        a, b = ([run[name] for run in each] for each in runs)
        found = [after / before for before, after in zip(a, b, strict=True)]
        figures = (
            statistics.median(a),
            statistics.median(b),
            statistics.median(found),
            min(found),
            max(found),
        )
        print(f"| {name} | " + " | ".join(map(shown, figures)) + " |")


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    main(sys.argv[1], sys.argv[2], sys.argv[3:], int(os.environ.get("ROUNDS", "3")))
