"""A directory for machines that have no slapd, on ldaptor: a library from PyPI that speaks LDAP over Twisted.

    python ldaptor_server.py FOLDER PORT TLS_PORT

serves the trees of FOLDER/trees.json under TLS with FOLDER/server.crt and FOLDER/server.key. It does to its
clients what slapd does to them under the settings in `slapd.py`. That is ldaptor's reading and writing of the
protocol and its tree in memory, and besides: StartTLS, paged results, limits, who may see what, names and
values compared as the standard says. A tree that was changed is the old one again after a restart.
"""

import json
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ldaptor import inmemory
from ldaptor.interfaces import IConnectedLDAPEntry
from ldaptor.protocols import pureber, pureldap
from ldaptor.protocols.ldap import distinguishedname, ldaperrors, ldifprotocol
from ldaptor.protocols.ldap.ldapserver import LDAPServer
from twisted.internet import protocol, reactor, ssl
from twisted.python import components

from directory_data import CUT, SMALL_PAGES

UNPAGED_LIMIT = 1000
PAGED = b"1.2.840.113556.1.4.319"
START_TLS = b"1.3.6.1.4.1.1466.20037"
NAMES = {"member", "uniquemember", "memberof", "distinguishedname", "entrydn"}
"""Attributes whose values are distinguished names."""
KINDS_OF_NAME = {"cn", "sn", "ou", "o"}
"""Attributes that who asks for `name` gets too, being kinds of it."""
HIDDEN = "userpassword"

Name = distinguishedname.DistinguishedName


def parsed(text: bytes | str) -> Name:
    """A distinguished name. Raises LDAPInvalidDNSyntax."""
    try:
        name = Name(text)
    except (distinguishedname.InvalidRelativeDistinguishedName, UnicodeDecodeError, IndexError) as error:
        raise ldaperrors.LDAPInvalidDNSyntax from error
    if not all(pair.attributeType for rdn in name.split() for pair in rdn.split()):
        raise ldaperrors.LDAPInvalidDNSyntax
    return name


def folded(text: str) -> str:
    """What texts that are equal to a directory have in common: case and the number of spaces do not count."""
    return " ".join(text.lower().split())


LIMITED = {folded(SMALL_PAGES): (200, None), folded(CUT): (500, 500)}
"""How many entries these accounts get: in a page, and in all."""


def normal(attribute: str, value: bytes | str) -> str:
    """The same for a value of an attribute."""
    text = value.decode(errors="surrogateescape") if isinstance(value, bytes) else value
    if attribute in NAMES:
        try:
            text = parsed(text).getText()
        except ldaperrors.LDAPInvalidDNSyntax:
            return text
    return folded(text)


def lower(name: Any) -> str:
    """The name of an attribute as a filter or an entry has it."""
    plain = getattr(name, "value", name)
    return (plain.decode(errors="replace") if isinstance(plain, bytes) else plain).lower()


class Children(dict[str, "Entry"]):
    """Entries by their relative names, in any spelling."""

    def __contains__(self, rdn: object) -> bool:
        return super().__contains__(folded(str(rdn)))

    def __getitem__(self, rdn: str) -> "Entry":
        return super().__getitem__(folded(rdn))

    def __setitem__(self, rdn: str, entry: "Entry") -> None:
        super().__setitem__(folded(rdn), entry)

    def __delitem__(self, rdn: str) -> None:
        super().__delitem__(folded(rdn))

    def pop(self, rdn: str, *default: Any) -> Any:
        return super().pop(folded(rdn), *default)


class Entry(inmemory.ReadOnlyInMemoryLDAPEntry):
    """An entry of ldaptor's tree that is found by its name at once, and matched as its attributes want it."""

    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        self._children = Children()

    def _lookup(self, dn: Name) -> "Entry":
        found = self
        for rdn in reversed(dn.split()[: dn_size(dn) - dn_size(self.dn)]):
            text = rdn.getText()
            if text not in found._children:
                raise ldaperrors.LDAPNoSuchObject(dn.getText())
            found = found._children[text]
        return found

    def _move2(self, newParent: "Entry | None", newDN: Name) -> "Entry":
        super()._move2(newParent, newDN)
        self._parent = newParent or self._parent
        return self

    def match(self, filter: Any) -> bool:
        if isinstance(filter, pureldap.LDAPFilter_present):
            return lower(filter) in {"objectclass", "entrydn"} or bool(list(self.values_of(lower(filter))))
        if isinstance(filter, pureldap.LDAPFilter_equalityMatch):
            name = lower(filter.attributeDesc)
            wanted = normal(name, filter.assertionValue.value)
            return any(normal(name, value) == wanted for value in self.values_of(name))
        if isinstance(filter, pureldap.LDAPFilter_substrings) and lower(filter.type) == HIDDEN:
            return False
        return super().match(filter)

    def values_of(self, name: str) -> Iterable[bytes | str]:
        """The values that a client may ask for."""
        if name == "entrydn":
            return [self.dn.getText()]
        return () if name == HIDDEN else self.get(name, ())

    def below(self) -> Iterator["Entry"]:
        """This entry and all below it."""
        yield self
        for child in self._children.values():
            yield from child.below()


def dn_size(dn: Name) -> int:
    return len(dn.split())


@dataclass
class Tree:
    """A tree, who may change it, and who alone may see a part of it."""

    top: Entry
    manager: str
    manager_password: bytes
    secret: str  # a subtree
    reader: str  # of that


@dataclass
class Root:
    """All trees, in the place where ldaptor has one."""

    dn: Name = field(default_factory=lambda: Name(""))
    trees: list[Tree] = field(default_factory=list)

    def lookup(self, dn: Name) -> Any:
        return self.tree_of(dn).top.lookup(dn)

    def tree_of(self, dn: Name) -> Tree:
        """The tree that has such names. Raises LDAPNoSuchObject."""
        for tree in self.trees:
            if tree.top.dn.contains(dn):
                return tree
        raise ldaperrors.LDAPNoSuchObject(dn.getText())


class Loader(ldifprotocol.LDIF):
    """Makes a tree of LDIF."""

    top: Entry | None = None

    def gotEntry(self, obj: Any) -> None:
        if self.top is None:
            self.top = Entry(obj.dn, obj._attributes)
        else:
            self.top._lookup(obj.dn.up()).addChild(obj.dn.split()[0], obj._attributes)


def needs_manager(handler: Callable[..., Any]) -> Callable[..., Any]:
    """Only the manager of a tree may change it."""

    def checked(self: "Server", request: Any, controls: Any, reply: Any) -> Any:
        if self.manages is None:
            raise ldaperrors.LDAPInsufficientAccessRights
        return handler(self, request, controls, reply)

    return checked


class Server(LDAPServer):
    """One connection."""

    def __init__(self) -> None:
        super().__init__()
        self.bound = ""  # the name that has logged in; empty: nobody in particular
        self.manages: Tree | None = None
        self.pages: dict[bytes, list[Entry]] = {}

    @property
    def root(self) -> Root:
        return IConnectedLDAPEntry(self.factory)

    def dataReceived(self, recd: bytes) -> None:
        super().dataReceived(recd)
        if self.buffer[:1] not in (b"", b"0"):
            self.transport.abortConnection()  # a message begins with the tag of a sequence; TLS does not

    def queue(self, id: int, op: Any) -> None:
        message = pureldap.LDAPMessage(op, id=id, controls=getattr(op, "its_controls", None))
        self.transport.write(message.toWire())

    def handle_LDAPBindRequest(self, request: Any, controls: Any, reply: Any) -> Any:
        self.bound, self.manages = "", None
        if request.version != 3 or request.sasl:
            raise ldaperrors.LDAPAuthMethodNotSupported
        dn = parsed(request.dn)
        if not request.dn or not request.auth:
            # Without a password the bind succeeds, as Active Directory has it; it proves nothing.
            return pureldap.LDAPBindResponse(resultCode=0)
        name = folded(dn.getText())
        for tree in self.root.trees:
            if name == tree.manager and request.auth == tree.manager_password:
                self.bound, self.manages = name, tree
                return pureldap.LDAPBindResponse(resultCode=0)

        def done(answer: Any) -> Any:
            self.bound = name
            return answer

        return super().handle_LDAPBindRequest(request, controls, reply).addCallback(done)

    def extendedRequest_StartTLS(self, value: Any, reply: Any) -> None:
        reply(pureldap.LDAPExtendedResponse(resultCode=0, responseName=START_TLS))
        self.transport.startTLS(self.factory.context)

    extendedRequest_StartTLS.oid = START_TLS  # type: ignore[attr-defined]  # ldaptor looks for it there

    def handle_LDAPAbandonRequest(self, request: Any, controls: Any, reply: Any) -> None:
        """What it abandons has been answered."""

    def handle_LDAPSearchRequest(self, request: Any, controls: Any, reply: Any) -> Any:
        size, cookie = _paging(controls)
        if cookie:
            found = self.pages.pop(cookie)
        else:
            found = self.search(parsed(request.baseObject), request)
        limit = request.sizeLimit or len(found)
        page, total = LIMITED.get(self.bound, (None, None))
        if page is not None and size is not None and size > page:
            return pureldap.LDAPSearchResultDone(resultCode=ldaperrors.LDAPAdminLimitExceeded.resultCode)
        if total is not None and len(found) > total:
            return pureldap.LDAPSearchResultDone(resultCode=ldaperrors.LDAPSizeLimitExceeded.resultCode)
        if size is None and self.manages is None:
            limit = min(limit, UNPAGED_LIMIT)
        sent = found[: limit if size is None else min(size, limit)]
        for entry in sent:
            reply(_shown(entry, [lower(one) for one in request.attributes]))
        rest = found[len(sent) :]
        if rest and (size is None or limit < size):
            return pureldap.LDAPSearchResultDone(resultCode=ldaperrors.LDAPSizeLimitExceeded.resultCode)
        done = pureldap.LDAPSearchResultDone(resultCode=0)
        if size is not None:
            done.its_controls = [(PAGED, False, self.turn_page(rest))]
        return done

    def search(self, base: Name, request: Any) -> list[Entry]:
        """What the client may see of what it looks for. Raises LDAPNoSuchObject."""
        tree = self.root.tree_of(base)
        top = tree.top._lookup(base)
        if not self.sees(tree, top):
            raise ldaperrors.LDAPNoSuchObject(base.getText())
        scopes: dict[int, Callable[[], Iterable[Entry]]] = {
            pureldap.LDAP_SCOPE_baseObject: lambda: [top],
            pureldap.LDAP_SCOPE_singleLevel: top._children.values,
            pureldap.LDAP_SCOPE_wholeSubtree: top.below,
        }
        looked_at = scopes[request.scope]()
        return [entry for entry in looked_at if entry.match(request.filter) and self.sees(tree, entry)]

    def sees(self, tree: Tree, entry: Entry) -> bool:
        if self.bound in {tree.reader, tree.manager, *LIMITED}:
            return True
        name = folded(entry.dn.getText())
        return name != tree.secret and not name.endswith(f",{tree.secret}")

    def turn_page(self, rest: list[Entry]) -> bytes:
        """The value of the control that answers for a page, with what asks for the next one."""
        cookie = str(len(rest)).encode() if rest else b""
        if cookie:
            self.pages[cookie] = rest
        return pureber.BERSequence([pureber.BERInteger(0), pureber.BEROctetString(cookie)]).toWire()

    handle_LDAPAddRequest = needs_manager(LDAPServer.handle_LDAPAddRequest)
    handle_LDAPDelRequest = needs_manager(LDAPServer.handle_LDAPDelRequest)
    handle_LDAPModifyRequest = needs_manager(LDAPServer.handle_LDAPModifyRequest)
    handle_LDAPModifyDNRequest = needs_manager(LDAPServer.handle_LDAPModifyDNRequest)


def _paging(controls: Any) -> tuple[int | None, bytes]:
    """The size of the page that is asked for, if one is, and the cookie of the page before."""
    for kind, critical, value in controls or ():
        if kind == PAGED:
            sequence, _ = pureber.berDecodeObject(pureber.BERDecoderContext(), value)
            return sequence[0].value, sequence[1].value
        if critical:
            raise ldaperrors.LDAPUnavailableCriticalExtension
    return None, b""


def _shown(entry: Entry, asked: list[str]) -> Any:
    """The entry with the attributes that are asked for, by default all."""
    names = {lower(name): name for name in entry}  # in the order in which they were written
    if asked and "*" not in asked:
        wanted = {*asked, *(KINDS_OF_NAME if "name" in asked else ())}
        names = {name: shown for name, shown in names.items() if name in wanted}
    if "entrydn" in asked or "+" in asked:
        names["entrydn"] = "entryDN"
    attributes = [(shown, list(entry.values_of(name))) for name, shown in names.items() if name != HIDDEN]
    return pureldap.LDAPSearchResultEntry(objectName=entry.dn.getText(), attributes=attributes)


class Factory(protocol.ServerFactory):
    protocol = Server

    def __init__(self, root: Root, context: Any) -> None:
        self.root = root
        self.context = context


def _tree(folder: Path, ldif: str, password: str, **names: str) -> Tree:
    loader = Loader()
    loader.dataReceived((folder / ldif).read_bytes())
    assert loader.top is not None
    folded_names = {key: folded(name) for key, name in names.items()}
    return Tree(loader.top, manager_password=password.encode(), **folded_names)


def main(folder: Path, port: int, tls_port: int) -> None:
    """Serve until the process is ended."""
    trees = json.loads((folder / "trees.json").read_text())
    context = ssl.DefaultOpenSSLContextFactory(str(folder / "server.key"), str(folder / "server.crt"))
    components.registerAdapter(lambda factory: factory.root, Factory, IConnectedLDAPEntry)
    factory = Factory(Root(trees=[_tree(folder, **tree) for tree in trees]), context)
    running: Any = reactor
    running.listenTCP(port, factory, interface="127.0.0.1")
    running.listenSSL(tls_port, factory, context, interface="127.0.0.1")
    running.run()


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
