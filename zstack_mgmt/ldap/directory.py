"""A connection to a directory: the only module that knows the LDAP library. It blocks; see `calls`.

ldap3 is pure Python, so an installation needs neither a compiler nor libldap. Five of its habits are switched
off here. It checks host names by itself instead of leaving that to TLS. It follows referrals. It leaves
sockets open after a failed connect. Its timeouts do not limit an answer as a whole. It prepares passwords,
which turns one of invisible characters into the empty one, with which many directories let everybody in.
"""

from __future__ import annotations

import socket
import ssl
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

import ldap3
from ldap3.core import results as codes
from ldap3.core.exceptions import LDAPException, LDAPInvalidServerError, LDAPStartTLSError
from ldap3.core.tls import Tls
from ldap3.operation import search as filters
from ldap3.utils.conv import escape_filter_chars
from pyasn1.codec.ber.encoder import encode  # pyright: ignore[reportUnknownVariableType]
from pyasn1.error import PyAsn1Error

from zstack_mgmt.ldap.model import Endpoint, Target

_PAGE_SIZES = (1000, 200, 50, 0)  # that are tried in turn; 0: without pages
_PAGED = "1.2.840.113556.1.4.319"
_MAX_DEPTH = 32  # of a filter; ldap3 encodes it recursively
_NO_SUCH_ENTRY = (codes.RESULT_NO_SUCH_OBJECT, codes.RESULT_INVALID_DN_SYNTAX, codes.RESULT_ALIAS_PROBLEM)
_PARTIAL = (
    codes.RESULT_SIZE_LIMIT_EXCEEDED,
    codes.RESULT_TIME_LIMIT_EXCEEDED,
    codes.RESULT_ADMIN_LIMIT_EXCEEDED,
    codes.RESULT_REFERRAL,
)
_WRONG_FILTER = (
    codes.RESULT_PROTOCOL_ERROR,
    codes.RESULT_INAPPROPRIATE_MATCHING,
    codes.RESULT_UNDEFINED_ATTRIBUTE_TYPE,
    codes.RESULT_INVALID_ATTRIBUTE_SYNTAX,
)
_WRONG_CREDENTIALS = (
    codes.RESULT_INVALID_CREDENTIALS,
    codes.RESULT_INAPPROPRIATE_AUTHENTICATION,
    codes.RESULT_INSUFFICIENT_ACCESS_RIGHTS,
    codes.RESULT_UNWILLING_TO_PERFORM,
    codes.RESULT_CONSTRAINT_VIOLATION,
    codes.RESULT_NO_SUCH_OBJECT,
    codes.RESULT_INVALID_DN_SYNTAX,
)
_GARBAGE = (PyAsn1Error, ValueError, LookupError, TypeError, AttributeError, OverflowError, RecursionError)
"""What ldap3 raises for bytes that are no LDAP."""

Reason = Literal["unreachable", "tls", "credentials", "base", "failed"]


class DirectoryError(Exception):
    """The directory did not do what it was asked. `reason` tells which part of the settings to look at."""

    def __init__(self, reason: Reason, details: str) -> None:
        super().__init__(f"{reason}: {details}")
        self.reason: Reason = reason
        self.details = details


class BadFilter(Exception):
    """The text is no LDAP filter, or the directory does not take it."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What a connection must keep to."""

    timeout_s: int  # to connect, and for each answer
    ca_file: str  # PEM bundle of the authorities that may vouch for a directory; empty: the system's


class DirectoryConnection:
    """A connection to a directory, used by one thread at a time. Only `cut` may be called besides.

    Every method but `cut` and `close` raises DirectoryError; those that take a condition, BadFilter.
    """

    def __init__(self, target: Target, limits: Limits) -> None:
        self.target = target
        self._limits = limits
        self._socket: socket.socket | None = None
        self._cut = False
        self._tls_failure = ""
        self._connection: Any = None
        self._address = target.addresses[0]
        self._bound_as: str | None = None  # the user name of the settings while it is bound

    def log_in(self) -> None:
        """Be the service account of the settings, or nobody in particular; connect first."""
        if self._bound_as == self.target.username:
            return
        if self.target.username and not self.target.password:
            raise DirectoryError("credentials", "a user name needs a password: without one it proves nothing")
        result = self._bind(self.target.username, self.target.password)
        if result["result"] in _WRONG_CREDENTIALS:
            raise DirectoryError("credentials", f"the directory refuses the login: {_told(result)}")
        if result["result"] != codes.RESULT_SUCCESS:
            raise DirectoryError("failed", f"the directory refuses the login: {_told(result)}")
        self._bound_as = self.target.username

    def accepts(self, dn: str, password: str) -> bool:
        """Whether the directory authenticates the entry with the password; an empty one proves nothing."""
        if not dn or not password:
            return False
        result = self._bind(dn, password)
        if result["result"] in (codes.RESULT_SUCCESS, *_WRONG_CREDENTIALS):
            return result["result"] == codes.RESULT_SUCCESS
        raise DirectoryError("failed", f"the directory checks no passwords: {_told(result)}")

    def entry_at(self, dn: str, condition: str = "(objectClass=*)") -> str | None:
        """The name as the directory writes it, if it has such an entry and the entry meets the condition."""
        with self._translated():
            self._connection.search(dn, condition, ldap3.BASE, time_limit=self._limits.timeout_s)
        code, entries = self._found()
        if code not in (codes.RESULT_SUCCESS, *_NO_SUCH_ENTRY):
            raise DirectoryError("failed", f"the directory does not tell whether there is an entry {dn!r}")
        return entries[0]["dn"] if entries else None

    def names_below(self, base: str, condition: str, limit: int) -> list[str]:
        """The names of the first `limit` entries that meet the condition."""
        with self._translated():
            self._connection.search(base, condition, size_limit=limit, time_limit=self._limits.timeout_s)
        code, entries = self._found()
        if code in _NO_SUCH_ENTRY:
            raise DirectoryError("base", f"there is no entry {base!r}")
        return [entry["dn"] for entry in entries]

    def pages(self, base: str, condition: str, attributes: Sequence[str] = ()) -> Generator[list[Any]]:
        """All entries that meet the condition, by the page: `dn` and `raw_attributes` of each.

        A directory that refuses the size of a page, or paging, is asked otherwise. Raises DirectoryError, in
        its words, when it gives only a part: a part that passes for the whole would be wrong.
        """
        sizes = iter(_PAGE_SIZES)
        size = next(sizes)
        self._search_page(base, condition, attributes, size, None)
        while size and not self._is_taken():
            size = next(sizes)
            self._search_page(base, condition, attributes, size, None)
        while True:
            code, entries = self._found()
            if code in _NO_SUCH_ENTRY:
                raise DirectoryError("base", f"there is no entry {base!r}")
            if code in _PARTIAL:
                told = _told(self._connection.result)
                raise DirectoryError("failed", f"the directory gives only a part of the entries: {told}")
            yield entries
            controls: Any = self._connection.result.get("controls") or {}
            cookie = controls[_PAGED]["value"]["cookie"] if _PAGED in controls else None
            if not cookie:
                return
            self._search_page(base, condition, attributes, size, cookie)

    def _search_page(
        self, base: str, condition: str, attributes: Sequence[str], size: int, cookie: Any
    ) -> None:
        paging: dict[str, Any] = {"paged_size": size, "paged_cookie": cookie} if size else {}
        with self._translated():
            self._connection.search(base, condition, attributes=list(attributes) or None, **paging)

    def _is_taken(self) -> bool:
        """Whether the directory has taken the size of the page."""
        return self._connection.result["result"] not in (*_PARTIAL, codes.RESULT_UNWILLING_TO_PERFORM)

    def cut(self) -> None:
        """End whatever the connection's thread waits for. Harmless at any time, from any thread."""
        self._cut = True
        if self._socket is not None:
            try:
                # Not the method of an SSLSocket: it takes the TLS state away from the thread that reads.
                socket.socket.shutdown(self._socket, socket.SHUT_RDWR)
            except OSError:
                return

    def close(self) -> None:
        """Hang up without waiting for the directory."""
        if self._socket is not None:
            self._socket.close()

    def wrap(self, plain: socket.socket) -> ssl.SSLSocket:
        """The socket with TLS on it: the certificate must be in order and made for the host of the URL."""
        file = self._limits.ca_file
        try:
            context = _tls_context(file, Path(file).stat().st_mtime_ns if file else 0)
        except OSError as error:
            self._tls_failure = f"LDAP_CA_FILE {file} cannot be used: {error.strerror or error}"
            raise
        host = self._address.host
        try:
            wrapped = context.wrap_socket(plain, server_hostname=host, do_handshake_on_connect=False)
            self._keep(wrapped)
            wrapped.do_handshake()
        except (ssl.SSLError, ConnectionError, ValueError) as error:
            said = getattr(error, "verify_message", "") or getattr(error, "reason", "") or str(error)
            self._tls_failure = f"{said} (the host is {host})"
            raise
        return wrapped

    def _open(self) -> None:
        """Connect to the first of the directory's addresses that takes the connection."""
        *others, last = self.target.addresses
        for address in others:
            try:
                return self._connect(address)
            except (LDAPException, OSError):
                if self._cut or self._tls_failure:
                    raise
        return self._connect(last)

    def _connect(self, address: Endpoint) -> None:
        self._address = address
        tls: Any = _VerifiedTls(self)
        server = ldap3.Server(address.host, address.port, use_ssl=address.tls, tls=tls, get_info=ldap3.NONE)
        connection: Any = ldap3.Connection(
            server, auto_referrals=False, check_names=False, receive_timeout=self._limits.timeout_s
        )
        connection.strategy._open_socket = self._dial
        self._connection = connection
        connection.open(read_server_info=False)
        if self.target.encryption == "TLS" and not address.tls:
            # Whatever the library makes of the answer: no password leaves on a socket that is not ours.
            connection.start_tls(read_server_info=False)
            if not isinstance(connection.socket, ssl.SSLSocket):
                raise DirectoryError("tls", "the directory does not start TLS")

    def _dial(self, address: Sequence[Any], use_ssl: bool = False, unix_socket: bool = False) -> None:
        """Connect to one address, in place of ldap3's own way, which leaves the socket open when it fails."""
        dialled = self._socket = socket.socket(*address[:3])
        try:
            dialled.settimeout(self._limits.timeout_s / len(self.target.addresses))
            dialled.connect(address[4])
            dialled.settimeout(self._limits.timeout_s)
            self._keep(dialled)
            self._connection.socket = self.wrap(dialled) if use_ssl else dialled
        except (OSError, ValueError):
            self.close()
            raise
        self._connection.closed = False

    def _keep(self, connected: socket.socket) -> None:
        """Note what `cut` is to end, which it could not end before."""
        self._socket = connected
        if self._cut:
            raise TimeoutError

    def _bind(self, name: str, password: str) -> Any:
        self._bound_as = None
        with self._translated():
            if self._connection is None:
                self._open()
            connection: Any = self._connection
            if connection.closed:
                # ldap3 would connect again by itself, without the TLS that the settings ask for.
                raise ConnectionResetError("the directory has hung up")
            connection.authentication = ldap3.SIMPLE if name else ldap3.ANONYMOUS
            # As bytes the password is sent as it is: no preparation can make it empty.
            connection.user, connection.password = name, password.encode()
            connection.bind(read_server_info=False)
            return connection.result

    def _found(self) -> tuple[int, list[Any]]:
        result = self._connection.result
        code = result["result"]
        if code in _WRONG_FILTER:
            raise BadFilter(f"the directory does not take the filter: {_told(result)}")
        if code not in (codes.RESULT_SUCCESS, *_NO_SUCH_ENTRY, *_PARTIAL):
            raise DirectoryError("failed", f"the directory does not search: {_told(result)}")
        return code, [one for one in self._connection.response or () if one["type"] == "searchResEntry"]

    @contextmanager
    def _translated(self) -> Generator[None]:
        try:
            yield
        except (LDAPException, OSError, *_GARBAGE) as error:
            if self._tls_failure:
                raise DirectoryError("tls", self._tls_failure) from error
            if isinstance(error, LDAPStartTLSError) and not isinstance(error, TimeoutError):
                raise DirectoryError("tls", "the directory does not start TLS") from error
            raise DirectoryError("unreachable", _why(error, cut=self._cut)) from error


class _VerifiedTls(Tls):
    """TLS by our own context, in place of ldap3's."""

    def __init__(self, directory: DirectoryConnection) -> None:
        super().__init__(validate=ssl.CERT_REQUIRED)  # pyright: ignore[reportUnknownMemberType]
        self._directory = directory

    def wrap_socket(self, connection: Any, do_handshake: bool = False) -> None:
        connection.socket = self._directory.wrap(connection.socket)


def equals(attribute: str, value: str) -> str:
    """The condition that an attribute has exactly this value, whatever characters it is made of.

    >>> equals("cn", "a)(cn=*")
    '(cn=a\\\\29\\\\28cn=\\\\2a)'
    """
    return f"({attribute}={escape_filter_chars(value)})"


def check_filter(condition: str) -> None:
    """Refuse what is no filter. Raises BadFilter."""
    depth = deepest = 0
    for character in condition:
        depth += (character == "(") - (character == ")")
        deepest = max(deepest, depth)
    if deepest > _MAX_DEPTH:
        raise BadFilter(f"the filter is nested more than {_MAX_DEPTH} deep")
    library: Any = filters
    try:
        parsed = library.parse_filter(condition, None, True, False, None, False)
        encode(library.compile_filter(parsed.elements[0]))  # some mistakes show only here
    except (LDAPException, *_GARBAGE) as error:
        raise BadFilter(f"not a filter such as (cn=name): {str(error)[:200]}") from None


def _told(result: Any) -> str:
    """What the directory says for itself: AD's messages carry numbers that administrators look up."""
    message = str(result.get("message") or "").replace("\0", "").strip()[:300]
    return f"{result['description']}, {message}" if message else str(result["description"])


def _why(error: Exception, *, cut: bool) -> str:
    if cut or isinstance(error, TimeoutError) or "timed out" in str(error):
        return "the directory does not answer in time"
    if isinstance(error, ConnectionRefusedError):
        return "nothing listens at the address"
    no_name = isinstance(error, UnicodeError) and not isinstance(error, UnicodeDecodeError)
    if no_name or isinstance(error, LDAPInvalidServerError) or "invalid server address" in str(error):
        return "the name of the host is not known"
    if isinstance(error, LDAPException | OSError):
        return f"the connection fails: {str(error)[:200] or type(error).__name__}"
    return "what answers there does not speak LDAP"


@lru_cache(maxsize=4)
def _tls_context(ca_file: str, _changed_ns: int) -> ssl.SSLContext:
    """Made once per state of the file: to read the system's authorities takes longer than a login."""
    return ssl.create_default_context(cafile=ca_file or None)
