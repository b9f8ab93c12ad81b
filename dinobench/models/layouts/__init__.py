"""How checkpoints name their tensors: one file per layout, each ending in our own names."""
