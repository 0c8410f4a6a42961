"""The catalogue of errors as a page, in English and in Chinese; both tell of the same declarations."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import groupby

from zstack_mgmt.core.errors import ApiError
from zstack_mgmt.features import load
from zstack_mgmt.reference.chinese import DESCRIPTIONS, ERRORS
from zstack_mgmt.reference.operations import Operation


@dataclass(frozen=True, slots=True)
class _Words:
    title: str
    introduction: str
    description: str  # with {text}
    head: str
    raised_by: str  # with {names}
    comma: str


_ENGLISH = _Words(
    "Errors",
    """English | [中文](errors.zh-CN.md)

An error answers with the body `{"error": {"code", "description", "details"}}`.
`code` and `description` are fixed, `details` says what is wrong in this case, `opaque`,
if present, holds further facts, and `cause` is the error behind it.
As the result of a job every error answers 503.
With `Accept: application/problem+json` the body is one of RFC 9457, for the results of jobs too.""",
    "Description: {text}",
    "| Class | HTTP status | Cause | Remedy |",
    "Raised by {names}.",
    ", ",
)
_CHINESE = _Words(
    "错误码",
    """[English](errors.md) | 中文

出错时，返回体为 `{"error": {"code", "description", "details"}}`。`code` 和 `description` 是固定的，
`details` 说明这一次错在哪里；如果有 `opaque`，其中是更多事实；`cause` 是背后的错误。
作为任务结果时，所有错误的状态码都是 503。
带上 `Accept: application/problem+json` 时，返回体采用 RFC 9457 的格式，任务结果也是如此。""",
    "描述：{text}",
    "| 类 | HTTP 状态码 | 原因 | 处理办法 |",
    "可能返回它的 API：{names}。",
    "、",
)


def errors() -> list[type[ApiError]]:
    """The catalogue: every error of the service's own, in the order of code and name."""
    load()
    found: dict[type[ApiError], None] = {}

    def walk(kind: type[ApiError]) -> None:
        for child in kind.__subclasses__():
            if child.__module__.startswith("zstack_mgmt.") and hasattr(child, "code"):
                found[child] = None
            walk(child)

    walk(ApiError)
    return sorted(found, key=lambda e: (e.code, e.status, e.__name__))


def english_page(listed: list[Operation]) -> str:
    """`errors.md`."""
    return _page(listed, _ENGLISH, {}, {})


def chinese_page(listed: list[Operation]) -> str:
    """`errors.zh-CN.md`."""
    return _page(listed, _CHINESE, DESCRIPTIONS, ERRORS)


def _page(
    listed: list[Operation],
    words: _Words,
    descriptions: Mapping[str, str],
    told: Mapping[str, tuple[str, str]],
) -> str:
    lines = [f"# {words.title}", "", words.introduction, ""]
    for code, group in groupby(errors(), key=lambda e: e.code):
        kinds = list(group)
        text = descriptions.get(code, kinds[0].description)
        lines += [f"## {code}", "", words.description.format(text=text), "", words.head, "|--|--|--|--|"]
        for kind in kinds:
            reason, remedy = told.get(kind.__name__, (kind.reason, kind.remedy))
            lines.append(f"| {kind.__name__} | {kind.status} | {reason} | {remedy} |")
        raised = [o for o in listed if any(e.code == code for e in o.raises)]
        if raised:
            names = [f"[{o.name}](api/{o.feature}.md#{o.name.lower()})" for o in raised]
            lines += ["", words.raised_by.format(names=words.comma.join(names))]
        lines.append("")
    return "\n".join(lines).rstrip() + "\n"
