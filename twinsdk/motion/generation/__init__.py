"""Motion without a camera."""
