"""Settings that administrators change while the service runs."""
