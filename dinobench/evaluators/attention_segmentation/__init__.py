"""Attention maps as object masks."""
