"""Patches found again in a view of the same image, without annotation."""
