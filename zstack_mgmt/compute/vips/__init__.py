"""VIPs and EIPs: addresses that network services use."""
