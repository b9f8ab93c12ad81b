"""One file per on-disk layout; the file name is the layout's name (see data/registry.py for what it holds)."""
