"""Avatar and pose to vertices: exact linear blend skinning with morphs and normals."""

from twinsdk.skinning.skinner import Skinner

__all__ = ["Skinner"]
