"""Frozen features: extraction and the feature store."""
