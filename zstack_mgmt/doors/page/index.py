"""`/zstack/v1/openapi.json`, `/docs` and `/docs/errors`: the documents as they are served, to anybody."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from functools import cache
from html import escape
from itertools import groupby

from aiohttp import web

from zstack_mgmt import __version__
from zstack_mgmt.doors.rest.replies import JSON
from zstack_mgmt.reference import openapi, pages
from zstack_mgmt.reference.errors import errors
from zstack_mgmt.reference.examples import Step, load_story
from zstack_mgmt.reference.operations import PREFIX, WHO, Operation, operations
from zstack_mgmt.reference.schemas import Components, type_text

_STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem }
body { color: #1b1f24; background: #fff }
code, pre { font: 14px/1.45 ui-monospace, monospace; background: #f4f5f7; border-radius: 4px }
pre { padding: .75rem; overflow-x: auto } code { padding: 0 .2rem } pre code { padding: 0 }
table { border-collapse: collapse }
td, th { border-bottom: 1px solid #d0d7de; padding: .25rem .75rem .25rem 0 }
td, th { text-align: left; vertical-align: top }
details { border-top: 1px solid #d0d7de; padding: .4rem 0 } summary { cursor: pointer }
summary .call { color: #57606a } nav a { margin-right: .75rem }
@media (prefers-color-scheme: dark) {
  body { color: #e6edf3; background: #0d1117 } code, pre { background: #1c2128 } a { color: #79b8ff }
}
"""
_INTRODUCTION = f"""
<p>Every change is a job: it answers 202 with a <code>location</code> to poll. Reads answer 200 at once. Send
<code>Authorization: OAuth &lt;session uuid&gt;</code> with the uuid that the login returned. Paths follow
<code>{PREFIX}</code>. See also <a href="{PREFIX}/openapi.json">openapi.json</a> and
<a href="/docs/errors">the errors</a>.</p>
"""


async def serve_openapi(_: web.Request) -> web.Response:
    """GET `/openapi.json`: the OpenAPI document, rendered once in the life of the process."""
    return web.Response(body=await asyncio.to_thread(openapi.cached), content_type=JSON)


async def serve_start(_: web.Request) -> web.Response:
    """GET `/zstack/v1`: what is there, for who has found the service and nothing else."""
    return web.Response(body=await asyncio.to_thread(_start), content_type=JSON)


@cache
def _start() -> bytes:
    apis: dict[str, list[str]] = {}
    for operation in operations(Components()):
        apis.setdefault(operation.feature, []).append(f"{operation.method} {PREFIX}{operation.paths[0]}")
    body = {
        "service": "zstack-mgmt",
        "version": __version__,
        "login": f"PUT {PREFIX}/accounts/login",
        "reference": "/docs",
        "errors": "/docs/errors",
        "openapi": f"{PREFIX}/openapi.json",
        "page": "/ui/",
        "keystone": "/v3",
        "apis": apis,
    }
    return json.dumps(body, indent=2).encode()


async def serve_index(_: web.Request) -> web.Response:
    """GET `/docs`: every API on one page that loads nothing else."""
    return _html(await asyncio.to_thread(index_page))


async def serve_errors(_: web.Request) -> web.Response:
    """GET `/docs/errors`: the catalogue; the `type` of an RFC 9457 body leads to its code here."""
    return _html(await asyncio.to_thread(errors_page))


def _html(text: str) -> web.Response:
    policy = "default-src 'none'; style-src 'unsafe-inline'"
    return web.Response(text=text, content_type="text/html", headers={"Content-Security-Policy": policy})


@cache
def index_page() -> str:
    """The page of all APIs."""
    components = Components()
    listed = operations(components)
    features = {name: list(group) for name, group in groupby(listed, key=lambda o: o.feature)}
    lines = [_INTRODUCTION, "<nav>"]
    lines += [f'<a href="#{name}">{name}</a>' for name in features]
    lines.append("</nav>")
    for name, group in features.items():
        examples = {step.api: step for step in load_story(name) if step.api}
        lines.append(f'<h2 id="{name}">{name}</h2>')
        for operation in group:
            lines += _entry(operation, components, examples.get(operation.name))
    return _page("APIs", lines)


def _entry(operation: Operation, components: Components, example: Step | None) -> Iterator[str]:
    call = escape(f"{operation.method} {operation.paths[0]}")
    yield f'<details id="{operation.name}">'
    yield f'<summary><b>{operation.name}</b> <code class="call">{call}</code></summary>'
    yield f"<p>{escape(operation.summary)} {escape(operation.details)}</p>"
    yield f"<p>Who may call: {escape(WHO[operation.access])}."
    if operation.permissions:
        yield f" Permission names: {_codes(operation.permissions)}."
    yield "</p>"
    if operation.fields:
        yield f"<p>Fields for conditions: {_codes(operation.fields)}.</p>"
    if operation.parameters:
        yield "<table><tr><th>Parameter<th>Where<th>Type and limits<th>Required</tr>"
        for p in operation.parameters:
            kind = escape(type_text(p.schema, components))
            needed = "yes" if p.required else ""
            yield f"<tr><td><code>{p.name}</code><td>{p.place}<td>{kind}<td>{needed}</tr>"
        yield "</table>"
    if operation.raises:
        linked = [f'<a href="/docs/errors#{e.code}">{e.code}</a>' for e in operation.raises]
        yield f"<p>Errors: {', '.join(dict.fromkeys(linked))}</p>"
    if example is not None:
        answer = example.answer if isinstance(example.answer, str) else json.dumps(example.answer, indent=2)
        yield f"<pre><code>{escape(pages.curl(example))}</code></pre>"
        yield f"<p>{example.status}</p><pre><code>{escape(answer)}</code></pre>"
    yield "</details>"


def _codes(names: tuple[str, ...]) -> str:
    return ", ".join(f"<code>{escape(name)}</code>" for name in names)


@cache
def errors_page() -> str:
    """The page of all errors."""
    lines: list[str] = []
    for code, group in groupby(errors(), key=lambda e: e.code):
        lines += [
            f'<h2 id="{code}">{code}</h2>',
            "<table><tr><th>Class<th>Status<th>Description<th>Cause<th>Remedy</tr>",
        ]
        for error in group:
            cells = (error.__name__, str(error.status), error.description, error.reason, error.remedy)
            lines.append("<tr>" + "".join(f"<td>{escape(cell)}" for cell in cells) + "</tr>")
        lines.append("</table>")
    return _page("Errors", lines)


def _page(title: str, lines: list[str]) -> str:
    head = f'<!doctype html><html lang="en"><meta charset="utf-8"><title>zstack-mgmt: {title}</title>'
    view = '<meta name="viewport" content="width=device-width, initial-scale=1">'
    body = "\n".join(lines)
    return f"{head}{view}<style>{_STYLE}</style>\n<h1>{title}</h1>\n{body}\n</html>\n"
