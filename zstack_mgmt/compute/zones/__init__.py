"""Zones, the outermost part of the compute inventory."""
