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
    reason: ClassVar[str]  # what has happened, for the page of errors
    remedy: ClassVar[str]  # what the client can do
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
    reason = "Something unforeseen happened, or a query has a sort, link or value that there is not."
    remedy = "Compare the query with the API's page; else tell the operator the `requestId`."


class DuplicateResource(InternalError):
    reason = "The uuid or the name is in use; nothing was written."
    remedy = "Choose another one, or go on with what is there."


class JobTimedOut(ApiError):
    code = "SYS.1001"
    description = "The operation timed out"
    reason = "The job was not done by its deadline; what it had not finished was undone."
    remedy = (
        "Call again, with a longer `X-API-Timeout` if need be; jobs that wait for long want more workers."
    )


class ResourceNotFound(ApiError):
    code = "SYS.1003"
    description = "Resource not found"
    reason = "Nothing that the caller may see has this uuid or name."
    remedy = "Query for the right one, or have its owner share it."


def existing(resource: T | None, noun: str, uuid: str) -> T:
    """The resource that was looked up. Raises ResourceNotFound when there was none."""
    if resource is None:
        raise ResourceNotFound(f"no {noun} has the uuid {uuid}")
    return resource


class OperationError(ApiError):
    code = "SYS.1006"
    description = "The operation failed"
    reason = "The call was understood, but something is in its way; `details` names it."
    remedy = "Remove what is in the way, or wait until it is done, and call again."


class InvalidArgument(ApiError):
    code = "SYS.1007"
    description = "One or more API arguments are invalid"
    reason = "A parameter has a value that cannot be used; `details` names it."
    remedy = "Correct the value; the API's page has the limits."


class BadRequest(InvalidArgument):
    status = 400
    reason = "The request is malformed, or a parameter is missing or wrong; nothing was stored."
    remedy = "Correct what `details` names; it shows the shape of a body that lacks its wrapper."


class TooBusy(ApiError):
    code = "SYS.1010"
    description = "The service is not ready"
    reason = (
        "The queue is full, the database is away, or too much of one kind is under way; no job was stored."
    )
    remedy = "Call again after the seconds in `Retry-After`. Under the same `X-Job-UUID` that is harmless."

    def __init__(self, details: str, retry_after_s: int = 2) -> None:
        super().__init__(details)
        self.retry_after_s = retry_after_s

    @property
    def headers(self) -> dict[str, str]:
        return {"Retry-After": str(self.retry_after_s)}


class JobCanceled(ApiError):
    code = "SYS.1017"
    description = "The operation was canceled"
    reason = "The job was canceled; what it had not finished was undone."
    remedy = "Call again if it is still wanted. The audit trail tells who canceled it."


class AuthenticationFailed(ApiError):
    code = "ID.1000"
    description = "Authentication failed"
    reason = "Name or password is wrong, too many logins have failed lately, or the user is disabled."
    remedy = "Check both, and which login it is: of an account, a user or a directory. After failures, wait."


class InvalidSession(ApiError):
    code = "ID.1001"
    description = "The session is invalid"
    reason = "The call has no session, or one that has ended, or a signature that was used or is too old."
    remedy = "Log in and send the new uuid as `Authorization: OAuth <uuid>`; sign each call anew."


class PermissionDenied(ApiError):
    code = "ID.1002"
    description = "Permission denied"
    reason = "The caller may not do this, or may only look at a resource that is shared with it."
    remedy = (
        "Have a policy allow the permission that `details` names, or let the owner or an administrator call."
    )


class QuotaExceeded(ApiError):
    code = "ID.1003"
    description = "The quota would be exceeded"
    reason = "The account would have more than its quota allows; nothing was written."
    remedy = "Delete what is not needed, or have an administrator raise the quota with UpdateQuota."


class SameOwner(ApiError):
    code = "ID.1004"
    description = "The account owns the resource already"
    reason = "The account owns the resource already; nothing was written."
    remedy = "Nothing is left to be done."


class TooManySessions(ApiError):
    code = "ID.1006"
    description = "The limit of concurrent sessions is reached"
    reason = "The account or user has as many sessions as one may have."
    remedy = "Log out of one that is not needed (ListSessions, EndSession), or wait until one has expired."


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
    reason = "The VM could not be started: no host has room, or its host did not do it; `cause` says more."
    remedy = "Mend what `cause` names, then call StartVmInstance."


class VmStopFailed(VmError):
    code = "VM.1002"
    description = "Failed to stop the VM"
    reason = "The VM could not be stopped; `cause` says why."
    remedy = "Mend what `cause` names, or stop it with the type `cold`."


class VmRebootFailed(VmError):
    code = "VM.1003"
    description = "Failed to reboot the VM"
    reason = "The VM could not be rebooted; `cause` says why."
    remedy = "Mend what `cause` names and call again; a VM that is off wants StartVmInstance."


class VmDestroyFailed(VmError):
    code = "VM.1004"
    description = "Failed to destroy the VM"
    reason = "The VM could not be destroyed; `cause` says why. It is still there."
    remedy = "Mend what `cause` names and call again."


class VmStateRefused(VmError):
    code = "VM.1010"
    description = "The state of the VM does not allow the operation"
    reason = "The VM is in a state that does not allow this, or something else is done with it."
    remedy = "Query its `state`; wait, or start or stop it first."


class DirectoryUnreachable(ApiError):
    code = "LDAP.1000"
    description = "The LDAP server cannot be reached or does not answer"
    reason = "The directory did not answer in time, or its certificate is not trusted."
    remedy = "Check its address, its certificate and the network, then call again."


class OneDirectoryOnly(ApiError):
    code = "LDAP.1001"
    description = "There is an LDAP server already"
    reason = "There is a directory already, and there can be one."
    remedy = "Change it with UpdateLdapServer, or delete it first."


class EntryNotFound(ApiError):
    code = "LDAP.1002"
    description = "The LDAP server has no such entry, or more than one"
    reason = "No entry, or more than one, has this name below the base."
    remedy = "Search with GetLdapEntry, and give the distinguished name."


class EntryBoundAlready(ApiError):
    code = "LDAP.1003"
    description = "The LDAP entry is bound to an account already"
    reason = "The entry has a binding to an account already."
    remedy = "Delete that binding first; QueryLdapBinding finds it."


class AccountGone(ApiError):
    code = "LDAP.1004"
    description = "The account to be bound is not there any more"
    reason = "The account was deleted while the binding was made."
    remedy = "Name another account."


class AdminNotBindable(ApiError):
    code = "LDAP.1005"
    description = "The built-in admin cannot be bound to an LDAP entry"
    reason = "The built-in admin keeps its own password: whoever runs the directory must not run the cloud."
    remedy = "Bind the entry to another account; one of type SystemAdmin administrates too."


class DirectoryTestFailed(ApiError):
    code = "LDAP.1006"
    description = "The test of the LDAP server failed"
    reason = "The directory did not answer, or refused the name, the password or the base."
    remedy = "Correct what `details` names; nothing was stored."


class NoDirectory(ApiError):
    code = "LDAP.1007"
    description = "There is no LDAP server"
    reason = "No directory has been added."
    remedy = "Have an administrator add one with AddLdapServer."


class HttpError(ApiError):
    """The request reached no API, or addressed the engine itself."""


class UnknownPath(HttpError):
    code = "SYS.1009"
    description = "No such path"
    status = 404
    reason = "No API has this path."
    remedy = "Look for the path in the list of APIs; paths begin with `/zstack/v1`."


class JobNotFound(HttpError):
    code = "SYS.1003"
    description = "Resource not found"
    status = 404
    reason = "The caller has no job with this uuid, or its result is no longer kept."
    remedy = "Check the uuid and the session; ask for results within `JOB_RETENTION_S`."


class MethodNotAllowed(HttpError):
    code = "SYS.1008"
    description = "The path does not take this method"
    status = 405
    reason = "The path exists, but not with this method."
    remedy = "Use a method that the header `Allow` names."

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
    reason = "The job has ended, so it cannot be canceled."
    remedy = "Read its result instead."


class BodyTooLarge(HttpError):
    code = "SYS.1007"
    description = "One or more API arguments are invalid"
    status = 413
    reason = "The body is larger than `MAX_BODY_BYTES`."
    remedy = "Send less in one call."


class RequestTimedOut(HttpError):
    code = "SYS.1007"
    description = "One or more API arguments are invalid"
    status = 408
    reason = "The request did not arrive whole within `REQUEST_TIMEOUT_S`."
    remedy = "Send it again, all at once."


class EncodingUnsupported(HttpError):
    code = "SYS.1007"
    description = "One or more API arguments are invalid"
    status = 415
    reason = "The body has a `Content-Encoding` that is not taken."
    remedy = "Send it without one, or with one that `details` names."
