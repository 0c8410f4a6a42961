"""The HTTP front: the only code that knows aiohttp's server side."""
