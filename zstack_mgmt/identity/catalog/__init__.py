"""The catalog of `/v3`: other services of the installation, which administrators write into it."""
