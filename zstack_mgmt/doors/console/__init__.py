"""The HTTP and WebSocket side of a console proxy agent."""
