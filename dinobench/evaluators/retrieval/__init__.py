"""Image retrieval on revisited Oxford and Paris."""
