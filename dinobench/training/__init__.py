"""DINO's training and its ablations."""
