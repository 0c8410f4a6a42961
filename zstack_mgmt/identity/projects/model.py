"""What bounds a project."""

from __future__ import annotations

from typing import Annotated

from zstack_mgmt.doc import Bound, Doc

MAX_PROJECT_TAGS: Annotated[int, Doc("tags of a project on `/v3`"), Bound("BadRequest")] = 80
