"""One box for the main object of each image, without labels."""
