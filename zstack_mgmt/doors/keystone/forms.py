"""What clients may send: attributes are checked here, before anything is stored or looked up."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal, TypeVar

import orjson
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StrictBool,
    StrictInt,
    StrictStr,
    StringConstraints,
    ValidationError,
)

from zstack_mgmt.auth.passwords import digest
from zstack_mgmt.config import Settings
from zstack_mgmt.core.errors import BadRequest
from zstack_mgmt.doc import Bound, Doc
from zstack_mgmt.identity.extras import excess_of
from zstack_mgmt.identity.projects.model import MAX_PROJECT_TAGS

MAX_PASSWORD = 255
MAX_ROLES: Annotated[int, Doc("roles that an application credential is made with"), Bound("BadRequest")] = 100
_FLAGS = (
    "ignore_change_password_upon_first_use",
    "ignore_password_expiry",
    "ignore_lockout_failure_attempts",
    "ignore_user_inactivity",
    "lock_password",
    "multi_factor_auth_enabled",
)
_CLASSES = (r"[a-z]", r"[A-Z]", r"[0-9]", r"[^A-Za-z0-9]")


def _not_blank(value: Any) -> Any:
    if isinstance(value, str) and not value.strip():
        raise ValueError("must not be blank")
    return value


ShortName = Annotated[StrictStr, StringConstraints(min_length=1, max_length=64), BeforeValidator(_not_blank)]
LongName = Annotated[StrictStr, StringConstraints(min_length=1, max_length=255), BeforeValidator(_not_blank)]
Text = Annotated[StrictStr, StringConstraints(max_length=2048)]
Id = Annotated[StrictStr, StringConstraints(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9-]+$")]
Url = Annotated[StrictStr, StringConstraints(max_length=2048, pattern=r"^[a-z][a-z0-9+.-]*://\S+$")]
RegionId = Annotated[StrictStr, StringConstraints(pattern=r"^[A-Za-z0-9._-]{1,255}$")]
Limit = Annotated[StrictInt, Field(ge=-1, le=2**31 - 1)]  # -1: any number
Tag = Annotated[StrictStr, StringConstraints(min_length=1, max_length=255, pattern=r"^[^,/]+$")]


def _unique(value: Any) -> Any:
    if isinstance(value, list) and len(value) != len({str(item) for item in value}):  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]
        raise ValueError("must not repeat a tag")
    return value  # pyright: ignore[reportUnknownVariableType]


Tags = Annotated[list[Tag], Field(max_length=MAX_PROJECT_TAGS), BeforeValidator(_unique)]


class Form(BaseModel):
    """Attributes of a resource. Unknown ones are kept: Keystone calls them extras."""

    model_config = ConfigDict(extra="allow", frozen=True)

    id: Id | None = None
    links: Any = None
    options: dict[str, Any] | None = None

    def given(self, *names: str) -> dict[str, Any]:
        """Those of the attributes that the client has sent."""
        return {name: getattr(self, name) for name in names if name in self.model_fields_set}

    @property
    def extras(self) -> dict[str, Any]:
        """What only clients give a meaning to."""
        return dict(self.__pydantic_extra__ or {})

    def check_extras(self, stored: str = "{}") -> None:
        """Raises BadRequest when, with those that are stored, they are too much to be kept."""
        if excess := excess_of({**orjson.loads(stored), **self.extras}):
            raise BadRequest(excess)


class StrictForm(BaseModel):
    """Attributes of a resource that has no others."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    def given(self) -> dict[str, Any]:
        """The attributes that the client has sent."""
        return {name: getattr(self, name) for name in self.model_fields_set}


class UserForm(Form):
    name: LongName | None = None
    domain_id: Id | None = None
    default_project_id: Id | None = None
    enabled: StrictBool | None = None
    email: Text | None = None
    description: Text | None = None
    password: Annotated[StrictStr, StringConstraints(min_length=1, max_length=MAX_PASSWORD)] | None = None
    password_expires_at: Any = None
    pwd_status: Any = None
    pwd_strength: Any = None
    last_project_id: Any = None
    federated: Any = None


class PasswordForm(Form):
    password: Annotated[StrictStr, StringConstraints(min_length=1, max_length=MAX_PASSWORD)]
    original_password: Annotated[StrictStr, StringConstraints(max_length=MAX_PASSWORD)]


class ProjectForm(Form):
    name: ShortName | None = None
    domain_id: Id | None = None
    parent_id: Id | None = None
    is_domain: StrictBool = False
    enabled: StrictBool | None = None
    description: Text | None = None
    tags: Tags | None = None


class DomainForm(Form):
    name: ShortName | None = None
    enabled: StrictBool | None = None
    description: Text | None = None
    tags: Tags | None = None


class RoleForm(Form):
    name: LongName | None = None
    domain_id: Id | None = None
    description: Text | None = None


class GroupForm(Form):
    name: ShortName | None = None
    domain_id: Id | None = None
    description: Text | None = None


class RoleReference(BaseModel):
    """A role by its id or its name."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    id: Id | None = None
    name: LongName | None = None


class ApplicationCredentialForm(StrictForm):
    name: LongName | None = None
    description: Text | None = None
    secret: Annotated[StrictStr, StringConstraints(min_length=1, max_length=MAX_PASSWORD)] | None = None
    expires_at: Text | None = None
    roles: Annotated[list[RoleReference], Field(max_length=MAX_ROLES)] | None = None
    unrestricted: StrictBool | None = None
    access_rules: list[Any] | None = None
    project_id: Id | None = None


class ServiceForm(Form):
    type: LongName | None = None
    name: Annotated[StrictStr, StringConstraints(max_length=255)] | None = None
    description: Text | None = None
    enabled: StrictBool | None = None


class EndpointForm(Form):
    service_id: Id | None = None
    interface: Literal["public", "internal", "admin"] | None = None
    url: Url | None = None
    region: RegionId | None = None
    region_id: RegionId | None = None
    enabled: StrictBool | None = None


class RegionForm(Form):
    id: RegionId | None = None
    description: Text | None = None
    parent_region_id: RegionId | None = None


class RegisteredLimitForm(StrictForm):
    service_id: Id | None = None
    region_id: LongName | None = None
    resource_name: LongName | None = None
    default_limit: Limit | None = None
    description: Text | None = None


class LimitForm(StrictForm):
    service_id: Id
    region_id: LongName | None = None
    resource_name: LongName
    resource_limit: Limit
    project_id: Id | None = None
    domain_id: Id | None = None
    description: Text | None = None


class LimitChangeForm(StrictForm):
    resource_limit: Limit | None = None
    description: Text | None = None


F = TypeVar("F", bound=Form | StrictForm)


def read(kind: type[F], values: dict[str, Any], *, required: tuple[str, ...] = ()) -> F:
    """The form. Raises BadRequest, which names the attribute and never its value."""
    for name in required:
        if values.get(name) is None:
            raise BadRequest(f"the attribute {name!r} is required")
    try:
        form = kind.model_validate(values)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise BadRequest(f"{where}: {first['msg'].removeprefix('Value error, ')}") from None
    if isinstance(form, Form):
        form.check_extras()
    return form


def checked_options(values: dict[str, Any] | None) -> dict[str, bool | None]:
    """The options of a user; None takes one away. Raises BadRequest."""
    found: dict[str, bool | None] = {}
    for name, value in (values or {}).items():
        if name == "multi_factor_auth_rules":
            if value:
                raise BadRequest(
                    "options: this server has no second factor; leave multi_factor_auth_rules out"
                )
            continue
        if name not in _FLAGS:
            raise BadRequest(f"options: {name[:64]!r} is not known")
        if value is not None and not isinstance(value, bool):
            raise BadRequest(f"options: {name} must be true, false or null")
        if name == "multi_factor_auth_enabled" and value:
            raise BadRequest("options: this server has no second factor; leave multi_factor_auth_enabled out")
        found[name] = value
    return found


def clear_password(settings: Settings, password: str, *, by_rule: bool = True) -> dict[str, str]:
    """The digest and the strength of a clear text, whatever it looks like. Raises BadRequest by the rule."""
    if by_rule and settings.password_regex and not re.search(settings.password_regex, password):
        raise BadRequest(settings.password_regex_description)
    return {"password": digest(password), "strength": strength_of(password)}


def strength_of(password: str) -> Literal["high", "mid", "low"]:
    """How hard a password is to guess, by its length and its kinds of characters.

    >>> strength_of("secret"), strength_of("secret1word"), strength_of("Secret-1-word")
    ('low', 'mid', 'high')
    """
    kinds = sum(re.search(kind, password) is not None for kind in _CLASSES)
    if len(password) >= 12 and kinds >= 3:
        return "high"
    return "mid" if len(password) >= 8 and kinds >= 2 else "low"
