"""Label propagation through videos and its scores."""
