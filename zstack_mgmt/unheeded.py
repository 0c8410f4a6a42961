"""Parameters on which we do not act: what ZStack documents is refused, the rest is named to the client.

What a client asked for and does not get must not look like a success.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Final, cast

from zstack_mgmt.compute.vms.parts import HOSTNAME, STATIC_IP
from zstack_mgmt.core.errors import BadRequest
from zstack_mgmt.core.registry import VALIDATION_ONLY, Api
from zstack_mgmt.doc import Bound, Doc
from zstack_mgmt.ldap.model import PATTERNS

MAX_NAMES: Annotated[int, Doc("names in `X-Ignored-Parameters`; `...` stands for more"), Bound()] = 20
_MAX_NAME = 64  # characters
_ODD = re.compile(r"[^A-Za-z0-9_.\[\]-]")

ANY: Final[None] = None
"""Any value is harmless: ZStack makes a note of it, or asks for it in situations that do not arise here."""
_LOGIN = {"accountType": ANY, "captchaUuid": ANY, "verifyCode": ANY, "clientInfo": ANY}
_L2 = {"vSwitchType": ("LinuxBridge",), "isolated": (False,), "pvlan": ()}
_RANGE = {"ipRangeType": ("Normal",)}

UNDONE: Mapping[str, Mapping[str, tuple[Any, ...] | None]] = {
    "LogInByAccount": _LOGIN,
    "LogInByLdap": _LOGIN,
    "LogInByUser": {"clientInfo": ANY},
    "LogOut": {"clientInfo": ANY},
    "CreateCluster": {"type": ("zstack",)},
    "AddImage": {"virtio": (True,)},
    "UpdateImage": {"virtio": (True,)},
    "DeleteImage": {"backupStorageUuids": ()},
    "CreateL2NoVlanNetwork": {"type": ("L2NoVlanNetwork",), **_L2},
    "CreateL2VlanNetwork": {"type": ("L2VlanNetwork",), **_L2},
    "AttachL2NetworkToCluster": {"l2ProviderType": ("LinuxBridge",)},
    "CreateL3Network": {"ipVersion": (4,), "enableIPAM": (True,)},
    "AddIpRange": _RANGE,
    "AddIpRangeByNetworkCidr": _RANGE,
    "CreateVip": {
        "allocatorStrategy": ("RandomIpAllocatorStrategy", "FirstAvailableIpAllocatorStrategy"),
        "ipVersion": (4,),
    },
    "CreateEip": {"usedIpUuid": ()},
    "AttachEip": {"usedIpUuid": ()},
    "GetEipAttachableVmNics": {"vipUuid": (), "networkServiceProvider": ANY, "attachedToVm": (True,)},
    "GetVmNicAttachableEips": {"ipVersion": (4,)},
    "GetCandidatePrimaryStoragesForCreatingVm": {
        "zoneUuid": ANY,
        "clusterUuid": ANY,
        "defaultL3NetworkUuid": ANY,
        "rootDiskSize": ANY,
        "dataDiskSizes": ANY,
    },
    "SubmitLongJob": {"tagUuids": ()},
    "CreateVmInstance": {
        "vmNicParams": (),
        "dataVolumeSystemTagsOnIndex": (),
        "sshKeyPairUuids": (),
        "virtio": (True,),
        "diskAOs": (),
    },
    "UpdateVmInstance": {"state": ()},
    "StopVmInstance": {"stopHA": (False,)},
    "AttachL3NetworkToVm": {"driverType": ("virtio",), "customMac": (), "vmNicParams": ()},
    "AddLdapServer": {"scope": ("account",)},
    "GetLdapEntry": {"ldapServerUuid": ()},
    "UpdateSchedulerJob": {"parameters": ()},
    "AddSchedulerJobToSchedulerTrigger": {"triggerNow": (False,)},
    "CreateResourcePrice": {"tableUuid": (), "resourceUuid": ()},
    "DeleteResourcePrice": {"cutoffPrice": (False,)},
    "CalculateAccountSpending": {"hypervisorType": (), "simple": (False,)},
}
"""What ZStack documents beyond what we declare, by API: the values that ask for nothing else than we do.

Nothing and empty values always do. An API that learns to act on a parameter declares it, and loses it here.
"""

_QUERY_NAMES = frozenset(
    [
        "q",
        "condition",
        "fields",
        "limit",
        "start",
        "count",
        "replyWithCount",
        "groupBy",
        "sort",
        "sortBy",
        "sortDirection",
    ]
)
_HEEDED_TAGS: Mapping[str, tuple[str, ...]] = {
    "CreateVmInstance": (STATIC_IP, HOSTNAME),
    "AddLdapServer": tuple(PATTERNS),
    "UpdateLdapServer": tuple(PATTERNS),
}
_TAG_LISTS = frozenset(("systemTags", "rootVolumeSystemTags", "dataVolumeSystemTags"))
_TAG_NAMES = _TAG_LISTS | {"userTags"}


def unheeded(declared: Api, parameters: Mapping[str, Any]) -> tuple[str, ...]:
    """The names of parameters and tags of a call that have no effect.

    Raises:
        BadRequest: one of them is documented, and asks for something that we do not do.
    """
    if declared.query is not None:
        return _of_query(parameters)
    names = parameters.keys() - declared.known
    if not names and _TAG_NAMES.isdisjoint(parameters):
        return ()
    ignored = _ignored(names, parameters, UNDONE.get(declared.name, {}))
    return (*ignored, *_tags(declared, parameters))


def _of_query(parameters: Mapping[str, Any]) -> tuple[str, ...]:
    given: dict[str, Any] = dict(parameters.get("parameters", ()))
    names = given.keys() - _QUERY_NAMES
    if parameters.get("uuid") is not None:
        names.discard("uuid")  # some clients repeat the variable of the path
    return tuple(sorted(names))


def _ignored(
    names: set[str], values: Mapping[str, Any], undone: Mapping[str, tuple[Any, ...] | None]
) -> tuple[str, ...]:
    ignored: list[str] = []
    for name in sorted(names):
        harmless = undone.get(name, ANY)
        if harmless is None:
            ignored.append(name)
        elif not _asks_nothing(values[name], harmless):
            known = "".join(f", but for {_text(value)!r}" for value in harmless[:1])
            raise BadRequest(f"parameter {name!r}: nothing here acts on it, so it must be left out{known}")
    return tuple(ignored)


def _asks_nothing(value: Any, harmless: tuple[Any, ...]) -> bool:
    is_empty = value in (None, "", 0, [], {}) and value is not False
    return is_empty or _text(value) in map(_text, harmless)


def _text(value: Any) -> str:
    """A value as a query string would have it: JSON and Python spell some differently."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    text = str(value)
    return text.lower() if text.lower() in ("true", "false") else text


def _tags(declared: Api, parameters: Mapping[str, Any]) -> Iterator[str]:
    """Those that change nothing; many are kept with a new resource all the same, and can be queried."""
    heeded = _HEEDED_TAGS.get(declared.name, ())
    for name in sorted(_TAG_LISTS & parameters.keys() & declared.known):
        value = parameters[name]
        tags = cast("list[Any]", value) if isinstance(value, list) else [value]
        for index, tag in enumerate(tags):
            if not isinstance(tag, str) or (tag != VALIDATION_ONLY and not tag.startswith(heeded)):
                yield f"{name}[{index}]"
    if parameters.get("userTags") and not declared.creates:
        yield "userTags"


def header_of(ignored: tuple[str, ...]) -> str:
    """The names as the value of a header: few, short, and of harmless characters only.

    >>> header_of(("systemTags[0]", "a\\r\\nSet-Cookie: b"))
    'systemTags[0], a??Set-Cookie??b'
    """
    shown = [_ODD.sub("?", name[:_MAX_NAME]) for name in ignored[:MAX_NAMES]]
    return ", ".join((*shown, "...") if len(ignored) > MAX_NAMES else shown)
