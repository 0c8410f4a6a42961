"""L2 and L3 networks, their addresses, VIPs and EIPs."""
