"""The public evaluation of the motion model and of what it is compared with."""
