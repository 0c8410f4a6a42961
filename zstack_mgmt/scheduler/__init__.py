"""The scheduler: triggers say when, jobs say what, and each fire becomes an API job of the owner."""
