"""How the Java SDK calls: its generated actions as read in its sources (zstackio/zstack, sdk/).

An SDK that does not expect to poll throws at a 202; one that does takes a 200 at once as well.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Action:
    """What the SDK's RestInfo says."""

    name: str
    method: str
    path: str
    polls: bool
    wrapper: str = ""


ACTIONS = (
    Action(
        "AddSchedulerJobToSchedulerTrigger",
        "POST",
        "/scheduler/jobs/{schedulerJobUuid}/scheduler/triggers/{schedulerTriggerUuid}",
        True,
    ),
    Action("AttachPoliciesToUser", "POST", "/accounts/users/{userUuid}/policy-collection", True, "params"),
    Action("AttachPolicyToUser", "POST", "/accounts/users/{userUuid}/policies", True, "params"),
    Action(
        "CalculateAccountSpending",
        "PUT",
        "/billings/accounts/{accountUuid}/actions",
        False,
        "calculateAccountSpending",
    ),
    Action("ChangeResourceOwner", "POST", "/account/{accountUuid}/resources", True, "params"),
    Action("ChangeSchedulerState", "PUT", "/schedulers/{uuid}", True, "changeSchedulerState"),
    Action("CheckApiPermission", "PUT", "/accounts/permissions/actions", False, "checkApiPermission"),
    Action("CleanInvalidLdapBinding", "PUT", "/ldap/bindings/actions", True, "cleanInvalidLdapBinding"),
    Action("CreateAccount", "POST", "/accounts", True, "params"),
    Action("CreatePolicy", "POST", "/accounts/policies", True, "params"),
    Action("CreateResourcePrice", "POST", "/billings/prices", True, "params"),
    Action("CreateSchedulerTrigger", "POST", "/scheduler/triggers", True, "params"),
    Action("CreateUser", "POST", "/accounts/users", True, "params"),
    Action("CreateZone", "POST", "/zones", True, "params"),
    Action("DeleteZone", "DELETE", "/zones/{uuid}", True),
    Action("DetachPoliciesFromUser", "DELETE", "/accounts/users/{userUuid}/policies", True),
    Action("GetLdapEntry", "GET", "/ldap/entry", False),
    Action("GetNoTriggerSchedulerJobs", "GET", "/scheduler/jobs/candidates", False),
    Action("GetResourceNames", "GET", "/resources/names", False),
    Action("LogInByAccount", "PUT", "/accounts/login", False, "logInByAccount"),
    Action("LogInByLdap", "PUT", "/ldap/login", False, "logInByLdap"),
    Action("LogOut", "DELETE", "/accounts/sessions/{sessionUuid}", False),
    Action("QueryZone", "GET", "/zones", False),
    Action("RenewSession", "PUT", "/accounts/sessions/{sessionUuid}/renew", True, "renewSession"),
    Action("ShareResource", "PUT", "/accounts/resources/actions", True, "shareResource"),
    Action("UpdateQuota", "PUT", "/accounts/quotas/actions", True, "updateQuota"),
    Action("UpdateUser", "PUT", "/accounts/users/actions", True, "updateUser"),
    Action("UpdateZone", "PUT", "/zones/{uuid}/actions", True, "updateZone"),
    Action("ValidateSession", "GET", "/accounts/sessions/{sessionUuid}/valid", False),
)
