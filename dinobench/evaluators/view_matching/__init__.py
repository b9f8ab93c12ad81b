"""Points of an object in one photo found in another by their features, checked by depth and pose."""
