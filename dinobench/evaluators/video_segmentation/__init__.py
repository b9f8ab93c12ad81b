"""Video object segmentation on DAVIS."""
