"""The error catalogue.

    ApiError
    ├── InternalError            SYS.1000   unforeseen, or a sort, link or value the query language cannot use
    │   └── DuplicateResource    SYS.1000   the uuid or name is in use already
    ├── JobTimedOut              SYS.1001
    ├── ResourceNotFound         SYS.1003
    ├── OperationError           SYS.1006   understood but refused
    ├── InvalidArgument          SYS.1007
    │   └── BadRequest           SYS.1007   400: refused at the door, nothing was stored
    ├── TooBusy                  SYS.1010   503 with Retry-After; nothing was stored
    ├── JobCanceled              SYS.1017
    ├── AuthenticationFailed     ID.1000
    ├── InvalidSession           ID.1001
    ├── PermissionDenied         ID.1002
    ├── QuotaExceeded            ID.1003
    ├── SameOwner                ID.1004
    ├── TooManySessions          ID.1006
    ├── VmError
    │   ├── VmStartFailed        VM.1001
    │   ├── VmStopFailed         VM.1002
    │   ├── VmRebootFailed       VM.1003
    │   ├── VmDestroyFailed      VM.1004
    │   └── VmStateRefused       VM.1010   the VM's state does not allow it; the cause of those, or alone
    ├── DirectoryUnreachable     LDAP.1000
    ├── OneDirectoryOnly         LDAP.1001
    ├── EntryNotFound            LDAP.1002
    ├── EntryBoundAlready        LDAP.1003
    ├── AccountGone              LDAP.1004
    ├── AdminNotBindable         LDAP.1005
    ├── DirectoryTestFailed      LDAP.1006
    ├── NoDirectory              LDAP.1007
    └── HttpError                           the request reached no API
        ├── UnknownPath          SYS.1009   404
        ├── JobNotFound          SYS.1003   404
        ├── MethodNotAllowed     SYS.1008   405
        ├── JobFinal             SYS.1006   409
        └── BodyTooLarge         SYS.1007   413

`status` is the HTTP status when the error answers a call directly. As the result of a job every error answers
503. Codes are the manual's; they are never reused with another meaning.
"""

from __future__ import annotations

from typing import Annotated, ClassVar, TypeVar

from zstack_mgmt.doc import Bound, Doc

T = TypeVar("T")
MAX_DETAILS: Annotated[int, Doc("characters of an error's `details`; longer ones are cut"), Bound()] = 4096


class ApiError(Exception):
    """An outcome that the client is told about. `details` is the sentence for this case."""

    code: ClassVar[str]
    description: ClassVar[str]
    status: ClassVar[int] = 503

    def __init__(self, details: str, **opaque: object) -> None:
        super().__init__(details)
        self.details = details[:MAX_DETAILS]
        self.opaque = opaque

    def to_json(self) -> dict[str, object]:
        """The ErrorCode object of the wire, without its `error` wrapper."""
        body: dict[str, object] = {
            "code": self.code,
            "description": self.description,
            "details": self.details,
        }
        if self.opaque:
            body["opaque"] = self.opaque
        return body

    @property
    def headers(self) -> dict[str, str]:
        """Headers that belong to this error's direct answer."""
        return {}


class InternalError(ApiError):
    code = "SYS.1000"
    description = "An internal error happened in system"


class DuplicateResource(InternalError):
    """The name or uuid is in use; nothing was written."""


class JobTimedOut(ApiError):
    code = "SYS.1001"
    description = "The operation timed out"


class ResourceNotFound(ApiError):
    code = "SYS.1003"
    description = "Resource not found"


def existing(resource: T | None, noun: str, uuid: str) -> T:
    """The resource that was looked up. Raises ResourceNotFound when there was none."""
    if resource is None:
        raise ResourceNotFound(f"no {noun} has the uuid {uuid}")
    return resource


class OperationError(ApiError):
    code = "SYS.1006"
    description = "The operation failed"


class InvalidArgument(ApiError):
    code = "SYS.1007"
    description = "One or more API arguments are invalid"


class BadRequest(InvalidArgument):
    """The request itself is malformed; refused before anything was stored."""

    status = 400


class TooBusy(ApiError):
    code = "SYS.1010"
    description = "The service is not ready"

    def __init__(self, details: str, retry_after_s: int = 2) -> None:
        super().__init__(details)
        self.retry_after_s = retry_after_s

    @property
    def headers(self) -> dict[str, str]:
        return {"Retry-After": str(self.retry_after_s)}


class JobCanceled(ApiError):
    code = "SYS.1017"
    description = "The operation was canceled"


class AuthenticationFailed(ApiError):
    code = "ID.1000"
    description = "Authentication failed"


class InvalidSession(ApiError):
    code = "ID.1001"
    description = "The session is invalid"


class PermissionDenied(ApiError):
    code = "ID.1002"
    description = "Permission denied"


class QuotaExceeded(ApiError):
    code = "ID.1003"
    description = "The quota would be exceeded"


class SameOwner(ApiError):
    code = "ID.1004"
    description = "The account owns the resource already"


class TooManySessions(ApiError):
    code = "ID.1006"
    description = "The limit of concurrent sessions is reached"


class VmError(ApiError):
    """Something that was asked of a VM. `cause` says why it failed, as an ErrorCode of its own."""

    def __init__(self, details: str, cause: ApiError | None = None) -> None:
        super().__init__(details)
        self.cause = cause

    def to_json(self) -> dict[str, object]:
        body = super().to_json()
        if self.cause is not None:
            body["cause"] = self.cause.to_json()
        return body


class VmStartFailed(VmError):
    code = "VM.1001"
    description = "Failed to start the VM"


class VmStopFailed(VmError):
    code = "VM.1002"
    description = "Failed to stop the VM"


class VmRebootFailed(VmError):
    code = "VM.1003"
    description = "Failed to reboot the VM"


class VmDestroyFailed(VmError):
    code = "VM.1004"
    description = "Failed to destroy the VM"


class VmStateRefused(VmError):
    code = "VM.1010"
    description = "The state of the VM does not allow the operation"


class DirectoryUnreachable(ApiError):
    code = "LDAP.1000"
    description = "The LDAP server cannot be reached or does not answer"


class OneDirectoryOnly(ApiError):
    code = "LDAP.1001"
    description = "There is an LDAP server already"


class EntryNotFound(ApiError):
    code = "LDAP.1002"
    description = "The LDAP server has no such entry, or more than one"


class EntryBoundAlready(ApiError):
    code = "LDAP.1003"
    description = "The LDAP entry is bound to an account already"


class AccountGone(ApiError):
    code = "LDAP.1004"
    description = "The account to be bound is not there any more"


class AdminNotBindable(ApiError):
    """The built-in admin keeps its own password: whoever runs the directory must not run the cloud."""

    code = "LDAP.1005"
    description = "The built-in admin cannot be bound to an LDAP entry"


class DirectoryTestFailed(ApiError):
    code = "LDAP.1006"
    description = "The test of the LDAP server failed"


class NoDirectory(ApiError):
    code = "LDAP.1007"
    description = "There is no LDAP server"


class HttpError(ApiError):
    """The request reached no API, or addressed the engine itself."""


class UnknownPath(HttpError):
    code = "SYS.1009"
    description = "No such path"
    status = 404


class JobNotFound(HttpError):
    code = "SYS.1003"
    description = "Resource not found"
    status = 404


class MethodNotAllowed(HttpError):
    code = "SYS.1008"
    description = "The path does not take this method"
    status = 405

    def __init__(self, details: str, allow: str) -> None:
        super().__init__(details)
        self.allow = allow

    @property
    def headers(self) -> dict[str, str]:
        return {"Allow": self.allow}


class JobFinal(HttpError):
    code = "SYS.1006"
    description = "The operation failed"
    status = 409


class BodyTooLarge(HttpError):
    code = "SYS.1007"
    description = "One or more API arguments are invalid"
    status = 413


class RequestTimedOut(HttpError):
    code = "SYS.1007"
    description = "One or more API arguments are invalid"
    status = 408


class EncodingUnsupported(HttpError):
    code = "SYS.1007"
    description = "One or more API arguments are invalid"
    status = 415
