"""Global descriptors, ranked lists and their files."""
