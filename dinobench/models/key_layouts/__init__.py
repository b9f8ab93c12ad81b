"""How each code base names the tensors of a network, and how they map to ours."""
