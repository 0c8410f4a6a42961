"""Consoles of VMs: tokens that open them, and the agents that carry them to browsers."""
