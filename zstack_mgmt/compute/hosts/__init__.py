"""Clusters and hosts: where virtual machines run."""
