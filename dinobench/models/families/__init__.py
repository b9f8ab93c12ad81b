"""Checkpoint families, one small file each: `FAMILY` says how it is known and what its weights expect."""
