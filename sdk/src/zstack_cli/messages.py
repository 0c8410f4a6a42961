"""What the command line says, in English and Chinese."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Literal

Language = Literal["en", "zh"]

_EN = {
    "error": "error {code}: {description}. {details}",
    "failed": "error: {details}",
    "unknown_api": "there is no API or command {name}{hint}",
    "did_you_mean": "; did you mean {names}?",
    "unknown_parameter": "{api} has no parameter {name}{hint}",
    "no_value": "{word}: parameters are given as name=value",
    "bad_value": "{name}: {value!r} is no {kind}",
    "bad_json": "{name}: {error}",
    "missing": "{api} needs {names}",
    "not_reached": "{url} is not reached: {error}",
    "odd_reply": "{url} does not answer as the service does: {error}",
    "still_running": "The job {job} has not ended yet.",
    "interrupted": "Interrupted. The job {job} goes on.",
    "go_on": "  wait for it:  zstack-cli wait {job}\n  cancel it:    zstack-cli CancelApiJob uuid={job}",
    "log_in_first": "Log in first: zstack-cli LogInByAccount accountName=...",
    "password_seen": "Warning: others can read a password on the command line, and the shell's history "
    "keeps it. Leave it out, and it is asked for.",
    "password_needed": "{name} is asked for on a terminal; elsewhere use --password-stdin.",
    "no_dry_run": "{api} answers at once, and cannot be tried without effect",
    "no_job": "{api} makes no job: {option} has no meaning here",
    "logged_in": "Logged in as {name} at {url}; profile {profile}.",
    "logged_out": "Logged out; profile {profile}.",
    "valid": "The call is valid; nothing was changed.",
    "running": "{api} {state} {elapsed:.0f} s",
    "usually": ", usually {usual:.0f} s ({percent:.0f} %)",
    "leave": " - Ctrl-C leaves it",
    "behind": ", behind {job}",
    "no_profile": "there is no profile {name}",
    "bad_profiles": "{path} cannot be read: {error}",
    "needs_extra": 'zstack-cli needs more than the SDK: pip install "zstack-mgmt-sdk[cli]"',
    "welcome": "zstack-cli at {url}. Tab completes, help lists the commands, exit leaves.",
    "nothing": "nothing found",
    "rows": "{count} rows",
}
_ZH = {
    "error": "错误 {code}：{description}。{details}",
    "failed": "错误：{details}",
    "unknown_api": "没有名为 {name} 的 API 或命令{hint}",
    "did_you_mean": "；是否指 {names}？",
    "unknown_parameter": "{api} 没有参数 {name}{hint}",
    "no_value": "{word}：参数的写法是 名称=值",
    "bad_value": "{name}：{value!r} 不是{kind}",
    "bad_json": "{name}：{error}",
    "missing": "{api} 缺少参数 {names}",
    "not_reached": "无法连接 {url}：{error}",
    "odd_reply": "{url} 的应答不是本服务的格式：{error}",
    "still_running": "任务 {job} 尚未结束。",
    "interrupted": "已中断。任务 {job} 仍在继续。",
    "go_on": "  继续等待：zstack-cli wait {job}\n  取消任务：zstack-cli CancelApiJob uuid={job}",
    "log_in_first": "请先登录：zstack-cli LogInByAccount accountName=...",
    "password_seen": "警告：写在命令行上的密码会被他人看到，并留在 shell 历史中。省略它，程序会提示输入。",
    "password_needed": "{name} 只在终端上提示输入；其他场合请使用 --password-stdin。",
    "no_dry_run": "{api} 会立即执行，无法只做校验",
    "no_job": "{api} 不产生任务，{option} 在此没有意义",
    "logged_in": "已登录 {url}，身份 {name}，配置 {profile}。",
    "logged_out": "已退出登录，配置 {profile}。",
    "valid": "校验通过，没有做任何更改。",
    "running": "{api} {state} {elapsed:.0f} 秒",
    "usually": "，通常 {usual:.0f} 秒（{percent:.0f}%）",
    "leave": " - Ctrl-C 离开，任务继续",
    "behind": "，排在 {job} 之后",
    "no_profile": "没有名为 {name} 的配置",
    "bad_profiles": "无法读取 {path}：{error}",
    "needs_extra": 'zstack-cli 还需要其他软件包：pip install "zstack-mgmt-sdk[cli]"',
    "welcome": "zstack-cli，服务 {url}。按 Tab 补全，help 列出命令，exit 退出。",
    "nothing": "没有找到",
    "rows": "共 {count} 行",
}
_STATES = {
    "queued": "排队中",
    "running": "运行中",
    "succeeded": "成功",
    "failed": "失败",
    "canceled": "已取消",
    "unknown": "状态未知",
}
_KINDS = {"integer": "整数", "number": "数字", "boolean": "布尔值（true 或 false）"}
_CODES = {
    "ID.1000": "登录失败",
    "ID.1001": "会话无效",
    "ID.1002": "没有权限",
    "ID.1003": "将超出配额",
    "ID.1004": "账户已拥有该资源",
    "ID.1006": "并发会话数已达上限",
    "LDAP.1000": "无法连接 LDAP 服务器，或其没有应答",
    "LDAP.1001": "已有一个 LDAP 服务器",
    "LDAP.1002": "LDAP 服务器中没有该条目，或不止一个",
    "LDAP.1003": "该 LDAP 条目已绑定到账户",
    "LDAP.1004": "要绑定的账户已不存在",
    "LDAP.1005": "内置的 admin 不能绑定 LDAP 条目",
    "LDAP.1006": "LDAP 服务器测试失败",
    "LDAP.1007": "没有 LDAP 服务器",
    "SYS.1000": "系统内部错误",
    "SYS.1001": "操作超时",
    "SYS.1003": "没有找到资源",
    "SYS.1006": "操作失败",
    "SYS.1007": "API 参数无效",
    "SYS.1008": "该路径不支持此方法",
    "SYS.1009": "没有该路径",
    "SYS.1010": "服务暂时不可用",
    "SYS.1017": "操作已取消",
    "VM.1001": "启动云主机失败",
    "VM.1002": "停止云主机失败",
    "VM.1003": "重启云主机失败",
    "VM.1004": "删除云主机失败",
    "VM.1010": "云主机的状态不允许此操作",
}


class Messages:
    """The messages of one language."""

    def __init__(self, language: Language) -> None:
        self.language = language
        self._texts = _ZH if language == "zh" else _EN

    def __call__(self, key: str, **values: object) -> str:
        return self._texts[key].format(**values)

    def description(self, code: str, english: str) -> str:
        """What the code of an error means."""
        return _CODES.get(code, english) if self.language == "zh" else english

    def state(self, state: str) -> str:
        """The state of a job."""
        return _STATES.get(state, state) if self.language == "zh" else state

    def kind(self, kind: str) -> str:
        """A type of parameters."""
        return _KINDS.get(kind, kind) if self.language == "zh" else kind


def language_of(environment: Mapping[str, str] = os.environ, asked: str = "") -> Language:
    """The language that was asked for, else that of ZSTACK_LANG or of the locale.

    >>> language_of({"LANG": "zh_CN.UTF-8"}), language_of({"LC_ALL": "C", "LANG": "zh_CN.UTF-8"})
    ('zh', 'en')
    """
    names = ("ZSTACK_LANG", "LC_ALL", "LC_MESSAGES", "LANG")
    found = asked or next((environment[name] for name in names if environment.get(name)), "")
    return "zh" if found.lower().startswith("zh") else "en"
