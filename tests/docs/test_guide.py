"""What the guide shows works: its shell blocks are run, in order, against a running service."""

import asyncio
import json
import os
import re
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from app import ADMIN, Service
from docs.test_readme import BLOCK, MARK, blocks
from example_player import Normaliser

ROOT = Path(__file__).parents[2]
GUIDES = ("docs/guide.md", "docs/guide.zh-CN.md")


@pytest.mark.parametrize("name", GUIDES)
async def test_every_shell_block_prints_what_the_guide_says(
    service: Service, tmp_path: Path, name: str
) -> None:
    scripts = [text for language, text in blocks(name) if language == "bash"]
    script = "".join(f"{text}\necho '{MARK}'\n" for text in scripts)
    process = await asyncio.create_subprocess_exec(
        *("bash", "-euo", "pipefail", "-c", script.replace("http://127.0.0.1:8080", service.origin)),
        cwd=tmp_path,
        env=os.environ | {"HOME": str(tmp_path), "LANG": "C.UTF-8"},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(120):
        output, errors = await process.communicate()
    assert process.returncode == 0, (output.decode(), errors.decode())
    printed = output.decode().split(MARK)[:-1]
    shown = answers(name)
    assert len(printed) == len(shown) == len(scripts)
    for text, (language, answer), code in zip(printed, shown, scripts, strict=True):
        if language == "json":
            assert normal(json.loads(text), service) == normal(json.loads(answer), service), code
        if language == "text":
            assert text.strip() == answer.strip(), code
    assert sum(language == "json" for language, _ in shown) >= 6
    bill = json.loads((tmp_path / "bill.json").read_text())
    assert bill["total"] == bill["spending"][0]["spending"] > 0


def answers(name: str) -> list[tuple[str, str]]:
    """What the guide shows below each of its shell blocks; nothing where another block follows."""
    listed = [*blocks(name), ("", "")]
    return [
        following if following[0] in ("json", "text") else ("", "")
        for (language, _), following in pairwise(listed)
        if language == "bash"
    ]


def normal(body: Any, service: Service) -> Any:
    normalise = Normaliser("guide")
    normalise.known = {service.origin: "http://127.0.0.1:8080", ADMIN: ADMIN}
    return normalise(body)


def test_both_guides_show_the_same_code_and_have_the_same_shape() -> None:
    assert blocks(GUIDES[0]) == blocks(GUIDES[1])
    shapes: list[Any] = []
    for name in GUIDES:
        text = BLOCK.sub("", (ROOT / name).read_text("utf-8")).replace(".zh-CN.", ".")
        links = [link for link in re.findall(r"\]\(([^)]+)\)", text) if link != "guide.md"]
        rows = len(re.findall(r"^\|", text, re.MULTILINE))
        shapes.append(([len(marks) for marks in re.findall(r"^(#+) ", text, re.MULTILINE)], links, rows))
    assert shapes[0] == shapes[1]


@pytest.mark.parametrize("name", ["README.zh-CN.md", "docs/guide.zh-CN.md", "docs/errors.zh-CN.md"])
def test_chinese_pages_have_full_width_punctuation(name: str) -> None:
    text = BLOCK.sub("", (ROOT / name).read_text("utf-8"))
    text = re.sub(r"<!--.*?-->|`[^`]*`|\]\([^)]*\)|\w+://\S+", "x", text, flags=re.DOTALL)
    half = re.findall(r".{0,8}[\u4e00-\u9fff][,;:!?.()].{0,8}|.{0,8}[,;!?()][\u4e00-\u9fff].{0,8}", text)
    assert not half, half
