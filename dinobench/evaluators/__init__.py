"""One module per evaluation."""
