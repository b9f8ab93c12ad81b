"""Depth of every pixel by a linear head on frozen patches."""
