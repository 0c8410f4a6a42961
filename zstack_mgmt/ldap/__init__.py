"""AD/LDAP: the directory, what of it is bound to accounts, and the login through it."""
