"""The commands beside the published figures measure what they say."""

import os
import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[2]
FIGURES = (ROOT / "docs/performance.md").read_text("utf-8")
COMMANDS = re.findall(r"^    (?:[A-Z_]+=\S+ )*(make bench .+)$", FIGURES, re.MULTILINE)
FILES = sorted(f"tests/benchmarks/{path.name}" for path in (ROOT / "tests/benchmarks").glob("bench_*.py"))


def printed(*command: str) -> str:
    # Without what a make around this test run hands down: its variables, and that it is the outer one.
    env = {
        name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS", "ARGS"))
    }
    return subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=True).stdout


def told(*arguments: str) -> list[str]:
    """What `make bench` would run."""
    return printed("make", "--dry-run", "bench", *arguments).splitlines()[-1].split()


def test_each_benchmark_has_its_figures_and_its_command() -> None:
    assert sorted({command.partition("ARGS=")[2] for command in COMMANDS}) == FILES
    everything = told()
    for file in FILES:
        assert told(f"ARGS={file}") == [word for word in everything if word not in FILES] + [file]


def test_the_command_finds_something_to_run_in_each() -> None:
    collected = printed(*told(), "--collect-only", "-q").splitlines()
    assert sorted({line.partition("::")[0] for line in collected if "::" in line}) == FILES
