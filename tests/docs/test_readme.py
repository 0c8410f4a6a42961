"""What the READMEs show works: their shell blocks are run, in order, against a running service."""

import asyncio
import json
import os
import re
import shutil
import sys
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from app import ADMIN, Service
from example_player import Normaliser
from receivers import receiver
from zstack_mgmt.webhooks.signing import key_of, new_secret, sign

ROOT = Path(__file__).parents[2]
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
READMES = ("README.md", "README.zh-CN.md")
MARK = "----8<----"


def blocks(name: str) -> list[tuple[str, str]]:
    """Language and text of each code block."""
    return BLOCK.findall((ROOT / name).read_text("utf-8"))


def python_block() -> str:
    return next(text for language, text in blocks("README.md") if language == "python")


async def test_every_shell_block_prints_what_the_readme_says(service: Service, tmp_path: Path) -> None:
    assert shutil.which("bash"), "this test needs bash and curl"
    assert shutil.which("curl"), "this test needs bash and curl"
    async with receiver() as free:
        port = str(free.port)  # free again when the script's receiver wants it

    def local(text: str) -> str:
        return text.replace("http://127.0.0.1:8080", service.origin).replace("8989", port)

    (tmp_path / "receiver.py").write_text(local(python_block()))
    script = "".join(
        f"{local(text)}\necho '{MARK}'\n" for language, text in blocks("README.md") if language == "bash"
    )
    environment = os.environ | installed(tmp_path) | {"HOME": str(tmp_path), "LANG": "C.UTF-8"}
    environment.pop("XDG_CONFIG_HOME", None)
    process = await asyncio.create_subprocess_exec(
        "bash",
        "-euo",
        "pipefail",
        "-c",
        script,
        cwd=tmp_path,
        env=environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(60):
        output, errors = await process.communicate()
    assert process.returncode == 0, (output.decode(), errors.decode())
    printed = output.decode().split(MARK)
    for number, (expected, said) in enumerate(promises()):
        if expected is not None:
            assert normal(json.loads(printed[number]), service) == normal(expected, service), said


def installed(folder: Path) -> dict[str, str]:
    """What finds `zstack-cli` and the Python of these tests, as if the SDK were installed."""
    program = folder / "bin/zstack-cli"
    program.parent.mkdir()
    start = "from zstack_cli.main import main; main()"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -c "{start}" "$@"\n')
    program.chmod(0o755)
    places = (str(program.parent), str(Path(sys.executable).parent), os.environ["PATH"])
    return {"PATH": os.pathsep.join(places), "PYTHONPATH": str(ROOT / "sdk/src")}


def promises() -> list[tuple[Any, str]]:
    """For each shell block the answer that the README shows below it, if it does."""
    listed = [block for block in blocks("README.md") if block[0] in ("bash", "json")]
    found: list[tuple[Any, str]] = []
    for (language, text), (following, answer) in pairwise([*listed, ("", "")]):
        if language == "bash":
            found.append((json.loads(answer) if following == "json" else None, text))
    return found


def normal(body: Any, service: Service) -> Any:
    normalise = Normaliser("readme")
    normalise.known = {service.origin: "http://127.0.0.1:8080", ADMIN: ADMIN}
    return normalise(body)


def test_every_answer_in_the_readme_is_compared() -> None:
    shown = sum(language == "json" for language, _ in blocks("README.md"))
    assert sum(expected is not None for expected, _ in promises()) == shown > 5


def test_the_readmes_receiver_tells_genuine_from_forged() -> None:
    scope: dict[str, Any] = {"__name__": "receiver"}
    exec(python_block(), scope)
    is_genuine = scope["is_genuine"]
    secret, body, now = new_secret(), b'{"inventory":{}}', int(time.time())

    def headers(stamp: int = now, of: str = secret) -> dict[str, str]:
        signature = sign([key_of(new_secret()), key_of(of)], "msg_1", stamp, body)
        return {"webhook-id": "msg_1", "webhook-timestamp": str(stamp), "webhook-signature": signature}

    assert is_genuine(secret, headers(), body)
    assert not is_genuine(secret, headers(), body + b" ")
    assert not is_genuine(secret, headers() | {"webhook-id": "msg_2"}, body)
    assert not is_genuine(secret, headers(of=new_secret()), body)
    assert not is_genuine(secret, headers(now - 600), body)
    assert not is_genuine(secret, {}, body), "an unsigned one"
    for name, value in (("webhook-timestamp", "soon"), ("webhook-signature", "v1,é"), ("webhook-id", "")):
        assert not is_genuine(secret, headers() | {name: value}, body)


async def test_the_readmes_receiver_refuses_an_unsigned_request(tmp_path: Path) -> None:
    async with receiver() as free:
        port = free.port
    (tmp_path / "receiver.py").write_text(python_block().replace("8989", str(port)))
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "receiver.py",
        cwd=tmp_path,
        env=os.environ | {"WEBHOOK_SECRET": new_secret()},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(20):
        while True:
            try:
                reader, writer = await asyncio.open_connection("127.0.0.1", port)
                break
            except OSError:
                await asyncio.sleep(0.02)
        writer.write(b"POST / HTTP/1.1\r\nHost: h\r\n\r\n")
        assert b" 400 " in await reader.readline()
        output, errors = await process.communicate()
        writer.close()
    assert (process.returncode, output, errors) == (0, b"forged\n", b"")


def test_verification_takes_ten_lines_at_most() -> None:
    function = python_block().partition("def is_genuine")[2].partition("\n\n\n")[0]
    assert len(function.splitlines()) <= 10


def test_both_readmes_show_the_same_code() -> None:
    assert blocks(READMES[0]) == blocks(READMES[1])


def test_both_readmes_have_the_same_shape() -> None:
    shapes = []
    for name in READMES:
        text = BLOCK.sub("", (ROOT / name).read_text("utf-8"))
        headings = [len(marks) for marks in re.findall(r"^(#+) ", text, re.MULTILINE)]
        text = text.replace(".zh-CN.", ".")  # the same page or picture in the other language
        links = [t for t in re.findall(r"\]\(([^)]+)\)", text) if not t.startswith("README")]
        commands = re.findall(r"`(make [\w-]+)`", text)
        shapes.append((headings, links, sorted(commands), len(re.findall(r"^- ", text, re.MULTILINE))))
    assert shapes[0] == shapes[1]


@pytest.mark.parametrize("name", [*READMES, "docs/contributing.md", "docs/architecture.md"])
def test_every_make_target_that_is_named_exists(name: str) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    text = (ROOT / name).read_text("utf-8")
    named = set(
        re.findall(r"make ([a-z][a-z-]*)", "\n".join(re.findall(r"`[^`]+`|^make .*$", text, re.MULTILINE)))
    )
    assert named <= targets, named - targets


@pytest.mark.parametrize("name", ["docs/contributing.md", "docs/architecture.md"])
def test_every_file_that_is_named_exists(name: str) -> None:
    text = BLOCK.sub("", (ROOT / name).read_text("utf-8"))
    for path in re.findall(r"`((?:zstack_mgmt|workers|tests|docs|migrations)/[\w/.-]+|schema\.sql)`", text):
        assert (ROOT / path).exists(), f"{name} names {path}, which does not exist"


def test_from_clone_to_a_finished_job_takes_five_commands() -> None:
    first = blocks("README.md")[:2]
    assert [language for language, _ in first] == ["console", "bash"]
    assert sum(len(text.strip().splitlines()) for _, text in first) == 5
