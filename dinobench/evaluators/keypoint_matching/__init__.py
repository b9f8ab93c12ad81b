"""Points of one image found in another of the same category."""
