"""The compute inventory: zones, hosts, images, offerings, networks, VMs and volumes."""
