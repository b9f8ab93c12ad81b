"""Images on disk and off it: layouts, decoding, transforms, manifests, the embedded mini data."""
