"""Projects: named scopes inside an account, for the Keystone door."""
