"""Pictures: curves, galleries, attention grids, contact sheets."""
