"""How the motion model is trained: clips, simulated sources, losses and the loop."""
