"""From the name of a model or a checkpoint file to a network, with every tensor accounted for."""
