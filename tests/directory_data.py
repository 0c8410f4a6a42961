"""What is in the directory of the tests, as LDIF.

It has two trees. `BASE` is shaped like an OpenLDAP's: people, groups of both kinds, nested and in a circle,
and 5,000 more entries. `AD_BASE` is shaped like Active Directory's, with that one's attributes and classes.
"""

from collections.abc import Sequence

BASE = "dc=example,dc=com"
AD_BASE = "DC=adtest,DC=zs"
SERVICE = f"cn=service,{BASE}"
AD_SERVICE = f"CN=service,{AD_BASE}"
SERVICE_PASSWORD = "service-secret"
# Two more accounts for the service: one may ask for 200 entries a page, one gets no more than 500 in all.
SMALL_PAGES, CUT = f"cn=small-pages,{BASE}", f"cn=cut,{BASE}"
MANAGER_PASSWORD = "manager-secret"
BULK = 5000

# The part of Active Directory's schema that bindings and logins meet, with its own object identifiers.
AD_SCHEMA = """
attributetype ( 1.2.840.113556.1.4.221 NAME 'sAMAccountName' EQUALITY caseIgnoreMatch
    SUBSTR caseIgnoreSubstringsMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.15 SINGLE-VALUE )
attributetype ( 1.2.840.113556.1.4.656 NAME 'userPrincipalName' EQUALITY caseIgnoreMatch
    SUBSTR caseIgnoreSubstringsMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.15 SINGLE-VALUE )
attributetype ( 1.2.840.113556.1.2.102 NAME 'memberOf' EQUALITY distinguishedNameMatch
    SYNTAX 1.3.6.1.4.1.1466.115.121.1.12 )
attributetype ( 1.2.840.113556.1.4.8 NAME 'userAccountControl' EQUALITY integerMatch
    SYNTAX 1.3.6.1.4.1.1466.115.121.1.27 SINGLE-VALUE )
objectclass ( 1.2.840.113556.1.5.9 NAME 'user' SUP organizationalPerson STRUCTURAL
    MUST sAMAccountName MAY ( name $ displayName $ distinguishedName $ userPrincipalName $ memberOf $
    userAccountControl ) )
objectclass ( 1.2.840.113556.1.5.8 NAME 'group' SUP top STRUCTURAL
    MUST ( cn $ sAMAccountName ) MAY ( name $ distinguishedName $ member $ memberOf ) )
"""


def entry(dn: str, classes: str, **attributes: str | Sequence[str]) -> str:
    """An entry in LDIF."""
    lines = [f"dn: {dn}", *(f"objectClass: {name}" for name in classes.split())]
    for name, values in attributes.items():
        lines += [f"{name}: {value}" for value in ([values] if isinstance(values, str) else values)]
    return "\n".join(lines) + "\n\n"


def person(name: str, **attributes: str | Sequence[str]) -> str:
    """One of BASE's people: the login name of `cn` in small letters, the password `<uid>-secret`."""
    uid = name.lower().replace(" ", ".")
    attributes = {"cn": name, "sn": name, "uid": uid, "userPassword": f"{uid}-secret"} | attributes
    return entry(f"cn={name},ou=people,{BASE}", "inetOrgPerson", **attributes)


def group(name: str, *members: str) -> str:
    """One of BASE's groups of names; members are `cn=…,ou=…`."""
    return entry(
        f"cn={name},ou=groups,{BASE}", "groupOfNames", cn=name, member=[f"{m},{BASE}" for m in members]
    )


def service(dn: str) -> str:
    """The account that the service logs in with to search."""
    return entry(dn, "applicationProcess simpleSecurityObject", cn="service", userPassword=SERVICE_PASSWORD)


def bulk(name: str) -> str:
    """One entry of many."""
    return entry(f"cn={name},ou=bulk,{BASE}", "inetOrgPerson", cn=name, sn="bulk", uid=name)


def generated_data() -> str:
    """The tree under BASE."""
    units = ("people", "groups", "bulk")
    return "".join(
        (
            entry(BASE, "dcObject organization", o="Example", dc="example"),
            entry(
                SERVICE,
                "applicationProcess simpleSecurityObject",
                cn="service",
                userPassword=SERVICE_PASSWORD,
            ),
            *(
                entry(
                    dn,
                    "applicationProcess simpleSecurityObject",
                    cn=dn[3:].partition(",")[0],
                    userPassword=SERVICE_PASSWORD,
                )
                for dn in (SMALL_PAGES, CUT)
            ),
            *(entry(f"ou={unit},{BASE}", "organizationalUnit", ou=unit) for unit in units),
            person("Micha Kops", mail="micha@example.com", **{"jpegPhoto:": "/9g="}),
            person("Alice", displayName="Alice Example"),
            person("Bob"),
            person("Carol"),
            person("Dave"),
            person("Nobody Bound"),
            person("Star * (odd)"),
            person("Straße", uid="strasse-1"),
            person("Strasse", uid="strasse-2"),
            person("Twin One", uid="twin"),
            person("Twin Two", uid="twin"),
            # Carol is in staff, that is in company, and that is in staff again: a circle.
            group("staff", "cn=Carol,ou=people", "cn=company,ou=groups"),
            group("company", "cn=staff,ou=groups", "cn=everything,ou=groups"),
            group("everything", "cn=company,ou=groups", "cn=everything,ou=groups"),
            group("red", "cn=Dave,ou=people"),
            group("blue", "cn=Dave,ou=people"),
            entry(
                f"cn=unique,ou=groups,{BASE}",
                "groupOfUniqueNames",
                cn="unique",
                uniqueMember=f"cn=Bob,ou=people,{BASE}",
            ),
            *(
                entry(
                    f"cn=bulk-{n:04},ou=bulk,{BASE}",
                    "inetOrgPerson",
                    cn=f"bulk-{n:04}",
                    sn="bulk",
                    uid=f"bulk-{n:04}",
                )
                for n in range(BULK)
            ),
        )
    )


def ad_user(name: str, account: str, *groups: str, unit: str = "OU=ui,OU=zstest") -> str:
    """One of AD_BASE's users, with the password `<account>-secret`."""
    dn = f"CN={name},{unit},{AD_BASE}"
    return entry(
        dn,
        "top person organizationalPerson user",
        cn=name,
        sn=name,
        name=name,
        displayName=f"{name} of the tests",
        distinguishedName=dn,
        sAMAccountName=account,
        userPrincipalName=f"{account}@adtest.zs",
        userAccountControl="512",
        memberOf=[f"CN={one},CN=Users,{AD_BASE}" for one in groups],
        userPassword=f"{account}-secret",
    )


def ad_group(name: str, members: Sequence[str], *groups: str) -> str:
    """One of AD_BASE's groups; members are names below AD_BASE."""
    dn = f"CN={name},CN=Users,{AD_BASE}"
    return entry(
        dn,
        "top group",
        cn=name,
        name=name,
        distinguishedName=dn,
        sAMAccountName=name,
        member=[f"{one},{AD_BASE}" for one in members],
        memberOf=[f"CN={one},CN=Users,{AD_BASE}" for one in groups],
    )


def ad_data() -> str:
    """The tree under AD_BASE."""
    return "".join(
        (
            entry(AD_BASE, "dcObject organization", o="adtest", dc="adtest"),
            entry(
                AD_SERVICE,
                "applicationProcess simpleSecurityObject",
                cn="service",
                userPassword=SERVICE_PASSWORD,
            ),
            entry(f"CN=Users,{AD_BASE}", "applicationProcess", cn="Users"),
            entry(f"OU=zstest,{AD_BASE}", "organizationalUnit", ou="zstest"),
            entry(f"OU=ui,OU=zstest,{AD_BASE}", "organizationalUnit", ou="ui"),
            ad_user("weiqi", "weiqi", "Cloud Users"),
            ad_user("Ada Lovelace", "ada", "Operators"),
            ad_group("Cloud Users", ["CN=weiqi,OU=ui,OU=zstest", "CN=Operators,CN=Users"]),
            ad_group("Operators", ["CN=Ada Lovelace,OU=ui,OU=zstest"], "Cloud Users"),
        )
    )
