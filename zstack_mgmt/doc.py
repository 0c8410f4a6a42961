"""What a field means, declared with its type: `Annotated[int, Doc("bytes")]`. Documents quote it."""

from __future__ import annotations

import types
from dataclasses import dataclass
from typing import Annotated, Any, Union, get_args, get_origin


@dataclass(frozen=True, slots=True)
class Doc:
    """One sentence on a field, or on every field of a type. The field's own goes before its type's."""

    text: str

    def __get_pydantic_json_schema__(self, core_schema: Any, handler: Any) -> dict[str, Any]:
        """Pydantic's hook: the sentence is the `description` in the schema of a request."""
        return handler(core_schema) | {"description": self.text}


@dataclass(frozen=True, slots=True)
class Bound:
    """Marks a setting or a constant, which has a Doc, as a limit that callers meet; docs/limits.md lists it.

    `error` is the class of the error for whatever exceeds it; empty: there is none, and the Doc says so.
    """

    error: str = ""


def doc_of(hint: Any) -> str:
    """The sentence that belongs to a type; empty: it has none.

    >>> Bytes = Annotated[int, Doc("bytes")]
    >>> doc_of(Bytes | None), doc_of(Annotated[Bytes, Doc("of the disk")]), doc_of(int)
    ('bytes', 'of the disk', '')
    """
    marks: tuple[Any, ...] = getattr(hint, "__metadata__", ())
    own = next((mark.text for mark in reversed(marks) if isinstance(mark, Doc)), "")
    if own or get_origin(hint) not in (Annotated, Union, types.UnionType):
        return own
    return next((text for part in get_args(hint) if (text := doc_of(part))), "")
