"""zstack-cli: every API of zstack-mgmt on the command line, and a shell that completes by Tab."""
