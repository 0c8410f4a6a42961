"""The service about itself: its version, and the processes that answer calls."""
