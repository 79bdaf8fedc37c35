"""Between frames: smoothing, going on, dying away, feet held."""
