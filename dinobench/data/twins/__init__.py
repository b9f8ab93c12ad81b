"""One file per dataset twin: `write(root, *, seed=0, small=True)` draws it in its true on-disk layout."""
