"""Where VMs run: choosing a host, reaching it, and what it must forget."""
