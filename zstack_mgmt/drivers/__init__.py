"""Drivers: how power, disk and console actions reach a hypervisor."""
