"""The whole service on one machine: PostgreSQL, Redis, API and workers as children of one supervisor."""
