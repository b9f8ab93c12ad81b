"""The paper's tables, every published figure with ours beside it."""
