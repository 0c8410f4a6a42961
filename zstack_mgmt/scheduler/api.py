"""The APIs of the scheduler."""

from __future__ import annotations

from zstack_mgmt.scheduler import api_jobs, api_triggers, rules

__all__ = ["api_jobs", "api_triggers", "rules"]
