"""The command line: one file per sub-command; parse, call, print."""
