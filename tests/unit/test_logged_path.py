"""What of a request's path the log shows."""

import pytest

from zstack_mgmt.doors.app import logged_path


@pytest.mark.parametrize("segment", ["sessions", "%73essions", "se%73sion%73"])
def test_no_token_is_logged_however_its_path_is_written(segment: str) -> None:
    assert "0123" not in logged_path(f"/zstack/v1/accounts/{segment}/0123?limit=1")


@pytest.mark.parametrize("path", ["/zstack/v1/zones", "/zstack/v1/zones/%ff%zz"])
def test_other_paths_are_logged_as_sent_without_their_query(path: str) -> None:
    assert logged_path(f"{path}?sessionUuid=0123") == path
