"""Landmarks to the pose of the person they belong to: closed-form start, solver, what is learnt."""
