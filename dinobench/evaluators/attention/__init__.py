"""Attention maps, their masks and pictures."""
