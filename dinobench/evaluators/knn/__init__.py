"""k-nearest-neighbor classification."""
