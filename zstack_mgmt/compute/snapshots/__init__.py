"""Snapshots of volumes, made where their VMs run."""
