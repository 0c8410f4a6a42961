"""What every door stands on: the parts of one process, and the call of an API."""
