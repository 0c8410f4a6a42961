"""A platform-management service for a private cloud that speaks ZStack's REST API."""

__version__ = "0.1.0"
