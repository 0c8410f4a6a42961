"""openstacksdk: users found by name, pages, changes and assignments."""

import openstack

identity = openstack.connect().identity
project = identity.create_project(name="sdk-project", domain_id="default")
people = [identity.create_user(name=f"sdk-{n}", password="secret", domain_id="default") for n in range(5)]
assert identity.find_user("sdk-3").id == people[3].id
paged = [user.name for user in identity.users(limit=2)]
assert len(paged) == len(set(paged)) == len(list(identity.users()))
changed = identity.update_user(people[0], description="d", is_enabled=False)
assert (changed.description, changed.is_enabled) == ("d", False)
member = identity.find_role("member")
identity.assign_project_role_to_user(project, people[1], member)
assert identity.validate_user_has_project_role(project, people[1], member)
assert [found.id for found in identity.user_projects(people[1])] == [project.id]
identity.unassign_project_role_from_user(project, people[1], member)
for user in people:
    identity.delete_user(user)
identity.delete_project(project)
assert identity.find_user("sdk-3") is None
print("all is well")
