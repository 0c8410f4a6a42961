"""Advisory locks: each number is used for one thing, and stands in one place."""

import re
from pathlib import Path

from zstack_mgmt.db import Lock

ROOT = Path(__file__).parents[2]
NUMBER = re.compile(r"\b7316\d{3}\b")


def test_sql_uses_numbers_of_the_enumeration() -> None:
    assert {int(number) for number in NUMBER.findall((ROOT / "schema.sql").read_text())} <= set(Lock)


def test_code_uses_names() -> None:
    files = [path for folder in ("zstack_mgmt", "workers") for path in (ROOT / folder).rglob("*.py")]
    assert [str(path) for path in files if path.name != "db.py" and NUMBER.search(path.read_text())] == []
    assert [str(path) for path in files if re.search(r"advisory\w*lock\(\d", path.read_text())] == []
