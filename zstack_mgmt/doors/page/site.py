"""`/ui/`: the page's files. Those below a digest never change, so browsers keep them; the HTML names them."""

from __future__ import annotations

import asyncio
import base64
import gzip
import hashlib
import json
from dataclasses import dataclass
from functools import cache
from html import escape
from pathlib import Path

from aiohttp import web

from zstack_mgmt import assets
from zstack_mgmt.core.errors import UnknownPath
from zstack_mgmt.doors.trace import SETTINGS

_TYPES = {
    ".css": "text/css",
    ".html": "text/html",
    ".js": "text/javascript",
    ".mjs": "text/javascript",
    ".png": "image/png",
    ".svg": "image/svg+xml",
}
_FOR_GOOD = "public, max-age=31536000, immutable"
_IMPORTS = {
    "preact": "preact/dist/preact.mjs",
    "preact/hooks": "preact/hooks/dist/hooks.mjs",
    "htm": "htm/dist/htm.module.js",
    "uplot": "uplot/dist/uPlot.esm.js",
    "@novnc/novnc": "@novnc/novnc/core/rfb.js",
    "@xterm/xterm": "@xterm/xterm/lib/xterm.mjs",
    "@xterm/addon-fit": "@xterm/addon-fit/lib/addon-fit.mjs",
}
"""What scripts of the page import by name."""
_KEEP_OUT = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "X-Frame-Options": "DENY",
}
_STRICT = {
    "default-src": "'none'",
    "script-src": "'self'",
    "style-src": "'self'",
    "img-src": "'self' data:",
    "font-src": "'self'",
    "connect-src": "'self'",
    "form-action": "'self'",
    "base-uri": "'none'",
    "frame-ancestors": "'none'",
}
_LOOSER = {
    # xterm writes style elements, and the address of a console's socket is the proxy's.
    "console.html": {"style-src": "'self' 'unsafe-inline'", "connect-src": "'self' ws: wss:"},
    # Swagger UI writes style attributes.
    "docs.html": {"style-src": "'self' 'unsafe-inline'"},
}


@dataclass(frozen=True, slots=True)
class File:
    """A file in memory, plain and compressed."""

    body: bytes
    packed: bytes
    kind: str


@cache
def own_files() -> dict[str, Path]:
    """Our own files by their paths below `ui/`."""
    root = assets.shipped("ui")
    return {
        path.relative_to(root).as_posix(): path
        for path in sorted(root.rglob("*"))
        if path.is_file() and path.suffix in _TYPES
    }


@cache
def library_files(folder: Path) -> dict[str, Path]:
    """The files of the libraries by their paths below a folder; pages of theirs are not for us."""
    return {
        path.relative_to(folder).as_posix(): path
        for path in folder.rglob("*")
        if path.suffix in _TYPES and path.suffix != ".html" and not path.is_symlink() and path.is_file()
    }


@cache
def own_digest() -> str:
    """What names this release's own files."""
    digest = hashlib.sha256()
    for name, path in own_files().items():
        digest.update(name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:16]


async def go_to_page(_: web.Request) -> web.Response:
    """`/ui` leads to `/ui/`."""
    return web.Response(status=302, headers={"Location": "/ui/"})


async def serve_own(request: web.Request) -> web.Response:
    """A script or style of ours, under the digest of all of them."""
    if request.match_info["digest"] != own_digest():
        raise UnknownPath("the page has been renewed; load it again")
    path = own_files().get(request.match_info["path"])
    if path is None or path.suffix == ".html":
        raise UnknownPath("the page has no such file")
    return _reply(request, await asyncio.to_thread(_load, path), _FOR_GOOD)


async def serve_library(request: web.Request) -> web.Response:
    """A file of the libraries, under the digest of the lock file."""
    folder = assets.libraries(request.app[SETTINGS])
    path = None
    if request.match_info["digest"] == folder.name and folder.is_dir():
        path = (await asyncio.to_thread(library_files, folder)).get(request.match_info["path"])
    if path is None:
        raise UnknownPath("the page has no such file")
    return _reply(request, await asyncio.to_thread(_load, path), _FOR_GOOD)


async def serve_html(request: web.Request) -> web.Response:
    """A page, with the addresses of its files and the policy that holds it to them."""
    name = request.match_info.get("name") or "index.html"
    path = own_files().get(name)
    if path is None:
        raise UnknownPath("there is no such page")
    return await serve_page(request, name)


def has_libraries(request: web.Request) -> bool:
    """Whether the libraries have been fetched."""
    return assets.libraries(request.app[SETTINGS]).is_dir()


async def serve_page(request: web.Request, name: str) -> web.Response:
    """The page of this name; while its libraries are not there, one that says so."""
    if not has_libraries(request):
        status = assets.status(request.app[SETTINGS])
        return _html(request, _without_libraries(status), _policy("", name))
    text, policy = await asyncio.to_thread(_rendered, name)
    return _html(request, text, policy)


@cache
def _rendered(name: str) -> tuple[str, str]:
    own, lib = f"/ui/own/{own_digest()}", f"/ui/lib/{assets.lock_digest()}"
    imports = {word: f"{lib}/{path}" for word, path in _IMPORTS.items()}
    imports |= {"ui/": f"{own}/js/"}
    table = json.dumps({"imports": imports})
    digest = base64.b64encode(hashlib.sha256(table.encode()).digest()).decode()
    text = own_files()[name].read_text(encoding="utf-8")
    tag = f'<script type="importmap">{table}</script>'
    text = text.replace("{importmap}", tag).replace("{own}", own).replace("{lib}", lib)
    return text, _policy(f" 'sha256-{digest}'", name)


def _policy(scripts: str, name: str) -> str:
    rules = _STRICT | _LOOSER.get(name, {})
    rules["script-src"] += scripts
    return "; ".join(f"{directive} {value}" for directive, value in rules.items())


def _html(request: web.Request, text: str, policy: str) -> web.Response:
    body = text.encode()
    reply = _reply(request, File(body, gzip.compress(body, 6), "text/html"), "no-cache")
    reply.headers["Content-Security-Policy"] = policy
    return reply


def _reply(request: web.Request, file: File, caching: str) -> web.Response:
    packed = "gzip" in request.headers.get("Accept-Encoding", "") and len(file.packed) < len(file.body)
    reply = web.Response(
        body=file.packed if packed else file.body,
        content_type=file.kind,
        charset="utf-8" if file.kind.startswith("text/") else None,
        headers={"Cache-Control": caching, "Vary": "Accept-Encoding", **_KEEP_OUT},
    )
    if packed:
        reply.headers["Content-Encoding"] = "gzip"
    return reply


@cache
def _load(path: Path) -> File:
    body = path.read_bytes()
    return File(body, gzip.compress(body, 9), _TYPES[path.suffix])


def _without_libraries(status: str) -> str:
    """What one sees before the libraries have come, in both languages and without a script."""
    fetching = status == "fetching"
    english = (
        "The page's libraries are being fetched from npm."
        if fetching
        else (
            "The page's libraries are not here. They come from npm's registry when the service starts "
            "(<code>make run</code>), or with <code>python -m zstack_mgmt page</code>."
        )
    )
    chinese = (
        "正在从 npm 获取页面所需的库。"
        if fetching
        else (
            "页面所需的库尚未就绪。服务启动时（<code>make run</code>）会从 npm 仓库获取，"
            "也可运行 <code>python -m zstack_mgmt page</code>。"
        )
    )
    reason = f"<pre>{escape(status)}</pre>" if status.startswith("failed") else ""
    again = '<meta http-equiv="refresh" content="2">' if fetching else ""
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8">{again}<title>zstack-mgmt</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<h1>zstack-mgmt</h1><p>{english}</p><p lang="zh-CN">{chinese}</p>{reason}'
        '<p><a href="/docs/plain">API</a></p></html>'
    )
