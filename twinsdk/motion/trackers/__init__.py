"""A headset, controllers and trackers to a whole body."""
