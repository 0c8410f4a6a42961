"""Roles of ZStack's API: named statements that join users' policies. Keystone's roles are in `roles`."""
