"""OpenUSD through usd-core: motion in and out, avatars out as one .usdz.

UsdSkel's matrices act on rows and its quaternions are (w, x, y, z); both are turned here alone.
Source: OpenUSD documentation, "UsdSkel: skeletal animation".
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

from twinsdk.core import quat
from twinsdk.core.arrays import F64, Array
from twinsdk.core.avatar import Avatar, Material
from twinsdk.core.clip import MotionClip
from twinsdk.core.expressions import EXPRESSION_NAMES
from twinsdk.core.files import atomic_path
from twinsdk.core.skeleton import Skeleton, matrices
from twinsdk.errors import DependencyError, OutputError
from twinsdk.formats.images import image_type

__all__ = ["modules", "row_matrices", "write_avatar", "write_clip"]


def modules() -> SimpleNamespace:
    """Return the modules of usd-core.

    Raises:
        DependencyError: It is not installed.
    """
    try:
        names = ("Gf", "Sdf", "Tf", "Usd", "UsdGeom", "UsdShade", "UsdSkel", "UsdUtils", "Vt")
        return SimpleNamespace(**{name: import_module(f"pxr.{name}") for name in names})
    except ImportError as error:
        raise DependencyError("USD needs usd-core: pip install 'twinsdk[formats]'") from error


def write_clip(clip: MotionClip, path: str | Path) -> None:
    """Write a clip as .usd, .usda, .usdc or .usdz: a Skeleton and its SkelAnimation.

    Raises:
        DependencyError: usd-core is not installed.
        OutputError: The file cannot be written.
    """
    pxr = modules()
    stage = _stage(pxr, clip.fps, len(clip))
    skeleton = _skeleton(pxr, stage, clip.skeleton, matrices(*clip.skeleton.rest_world()))
    _animation(pxr, stage, skeleton, clip)
    _save(pxr, stage, path)


def write_avatar(avatar: Avatar, path: str | Path) -> None:
    """Write an avatar as .usdz with its textures inside.

    Raises:
        DependencyError: usd-core is not installed.
        OutputError: The file cannot be written.
    """
    pxr = modules()
    stage = _stage(pxr, 30.0, 1)
    bind = np.linalg.inv(avatar.skin.inverse_bind.astype(np.float64))
    skeleton = _skeleton(pxr, stage, avatar.skeleton, bind)
    with tempfile.TemporaryDirectory() as folder:
        mesh = _mesh(pxr, stage, avatar)
        _skin(pxr, mesh, skeleton, avatar)
        _morphs(pxr, stage, mesh, avatar)
        _materials(pxr, stage, mesh, avatar, Path(folder))
        _save(pxr, stage, path, Path(folder))


def row_matrices(array: Any) -> F64:
    """Return USD matrices (..., 4, 4) acting on columns."""
    return np.swapaxes(np.asarray(array, np.float64), -1, -2)


def _stage(pxr: SimpleNamespace, fps: float, frames: int) -> Any:
    stage = pxr.Usd.Stage.CreateInMemory()
    pxr.UsdGeom.SetStageUpAxis(stage, pxr.UsdGeom.Tokens.y)
    pxr.UsdGeom.SetStageMetersPerUnit(stage, 1.0)
    stage.SetTimeCodesPerSecond(fps)
    stage.SetFramesPerSecond(fps)
    stage.SetStartTimeCode(0)
    stage.SetEndTimeCode(frames - 1)
    root = pxr.UsdSkel.Root.Define(stage, "/figure")
    stage.SetDefaultPrim(root.GetPrim())
    return stage


def _skeleton(pxr: SimpleNamespace, stage: Any, skeleton: Skeleton, bind: Array) -> Any:
    prim = pxr.UsdSkel.Skeleton.Define(stage, "/figure/skeleton")
    prim.CreateJointsAttr(_paths(pxr, skeleton))
    prim.CreateJointNamesAttr(list(skeleton.names))
    prim.CreateBindTransformsAttr(_vt_matrices(pxr, bind))
    rest = matrices(skeleton.rest_rotations, skeleton.rest_translations)
    prim.CreateRestTransformsAttr(_vt_matrices(pxr, rest))
    pxr.UsdSkel.BindingAPI.Apply(prim.GetPrim())
    return prim


def _paths(pxr: SimpleNamespace, skeleton: Skeleton) -> list[str]:
    """Return one path a joint; a name that is no identifier is made one, the true one is kept."""
    paths: list[str] = []
    taken: set[str] = set()
    for j, name in enumerate(skeleton.names):
        own = pxr.Tf.MakeValidIdentifier(name)
        path = own if j == 0 else f"{paths[skeleton.parents[j]]}/{own}"
        while path in taken:
            path += "_"
        taken.add(path)
        paths.append(path)
    return paths


def _animation(pxr: SimpleNamespace, stage: Any, skeleton: Any, clip: MotionClip) -> None:
    motion = pxr.UsdSkel.Animation.Define(stage, "/figure/motion")
    motion.CreateJointsAttr(skeleton.GetJointsAttr().Get())
    places = np.repeat(clip.skeleton.rest_translations[None], len(clip), 0)
    places[:, 0] = clip.root_translations
    turns = np.ascontiguousarray(quat.continuous(clip.rotations)[..., [3, 0, 1, 2]])
    translations, rotations = motion.CreateTranslationsAttr(), motion.CreateRotationsAttr()
    # One time sample a frame: a reader interpolates between them.
    for t in range(len(clip)):
        translations.Set(pxr.Vt.Vec3fArray.FromNumpy(np.ascontiguousarray(places[t])), t)
        rotations.Set(pxr.Vt.QuatfArray([pxr.Gf.Quatf(*row) for row in turns[t].tolist()]), t)
    ones = [pxr.Gf.Vec3h(1, 1, 1)] * len(clip.skeleton)
    motion.CreateScalesAttr(pxr.Vt.Vec3hArray(ones))
    if clip.expressions is not None:
        motion.CreateBlendShapesAttr(list(EXPRESSION_NAMES))
        weights = motion.CreateBlendShapeWeightsAttr()
        for t, row in enumerate(clip.expressions):
            weights.Set(pxr.Vt.FloatArray.FromNumpy(np.ascontiguousarray(row)), t)
    binding = pxr.UsdSkel.BindingAPI(skeleton.GetPrim())
    binding.CreateAnimationSourceRel().SetTargets([motion.GetPath()])


def _mesh(pxr: SimpleNamespace, stage: Any, avatar: Avatar) -> Any:
    mesh = pxr.UsdGeom.Mesh.Define(stage, "/figure/mesh")
    data = avatar.mesh
    mesh.CreatePointsAttr(pxr.Vt.Vec3fArray.FromNumpy(data.vertices))
    mesh.CreateFaceVertexCountsAttr(pxr.Vt.IntArray([3] * len(data.triangles)))
    corners = np.ascontiguousarray(data.triangles.reshape(-1).astype(np.int32))
    mesh.CreateFaceVertexIndicesAttr(pxr.Vt.IntArray.FromNumpy(corners))
    mesh.CreateNormalsAttr(pxr.Vt.Vec3fArray.FromNumpy(data.normals))
    mesh.SetNormalsInterpolation(pxr.UsdGeom.Tokens.vertex)
    mesh.CreateSubdivisionSchemeAttr(pxr.UsdGeom.Tokens.none)
    low, high = data.vertices.min(0), data.vertices.max(0)
    mesh.CreateExtentAttr(pxr.Vt.Vec3fArray.FromNumpy(np.stack([low, high])))
    uvs = np.stack([data.uvs[:, 0], 1 - data.uvs[:, 1]], 1)  # USD's v points up
    primvars = pxr.UsdGeom.PrimvarsAPI(mesh)
    kind = pxr.Sdf.ValueTypeNames.TexCoord2fArray
    st = primvars.CreatePrimvar("st", kind, pxr.UsdGeom.Tokens.vertex)
    st.Set(pxr.Vt.Vec2fArray.FromNumpy(np.ascontiguousarray(uvs, np.float32)))
    return mesh


def _skin(pxr: SimpleNamespace, mesh: Any, skeleton: Any, avatar: Avatar) -> None:
    binding = pxr.UsdSkel.BindingAPI.Apply(mesh.GetPrim())
    binding.CreateSkeletonRel().SetTargets([skeleton.GetPath()])
    binding.CreateGeomBindTransformAttr(pxr.Gf.Matrix4d(1.0))
    width = avatar.skin.weights.shape[1]
    joints = np.ascontiguousarray(avatar.skin.joints.reshape(-1).astype(np.int32))
    weights = np.ascontiguousarray(avatar.skin.weights.reshape(-1))
    indices = binding.CreateJointIndicesPrimvar(constant=False, elementSize=width)
    indices.Set(pxr.Vt.IntArray.FromNumpy(joints))
    shares = binding.CreateJointWeightsPrimvar(constant=False, elementSize=width)
    shares.Set(pxr.Vt.FloatArray.FromNumpy(weights))


def _morphs(pxr: SimpleNamespace, stage: Any, mesh: Any, avatar: Avatar) -> None:
    names, targets = [], []
    for name, offsets in zip(avatar.morphs.names, avatar.morphs.offsets, strict=True):
        moved = np.flatnonzero((offsets != 0).any(1)).astype(np.int32)
        path = f"/figure/mesh/{pxr.Tf.MakeValidIdentifier(name)}"
        shape = pxr.UsdSkel.BlendShape.Define(stage, path)
        shape.CreateOffsetsAttr(pxr.Vt.Vec3fArray.FromNumpy(np.ascontiguousarray(offsets[moved])))
        shape.CreatePointIndicesAttr(pxr.Vt.IntArray.FromNumpy(moved))
        names.append(name)
        targets.append(path)
    binding = pxr.UsdSkel.BindingAPI(mesh.GetPrim())
    binding.CreateBlendShapesAttr(names)
    binding.CreateBlendShapeTargetsRel().SetTargets(targets)


def _materials(pxr: SimpleNamespace, stage: Any, mesh: Any, avatar: Avatar, folder: Path) -> None:
    mesh.CreateDoubleSidedAttr(any(material.double_sided for material in avatar.mesh.materials))
    for i, material in enumerate(avatar.mesh.materials):
        look = pxr.UsdShade.Material.Define(stage, f"/figure/materials/material_{i}")
        look.CreateSurfaceOutput().ConnectToSource(
            _surface(pxr, stage, look, material, folder, i), "surface"
        )
        faces = np.flatnonzero(avatar.mesh.triangle_materials == i).astype(np.int32)
        if len(faces):
            subset = pxr.UsdShade.MaterialBindingAPI(mesh).CreateMaterialBindSubset(
                f"part_{i}", pxr.Vt.IntArray.FromNumpy(faces)
            )
            pxr.UsdShade.MaterialBindingAPI.Apply(subset.GetPrim()).Bind(look)


def _surface(
    pxr: SimpleNamespace, stage: Any, look: Any, material: Material, folder: Path, index: int
) -> Any:
    types = pxr.Sdf.ValueTypeNames
    surface = pxr.UsdShade.Shader.Define(stage, look.GetPath().AppendChild("surface"))
    surface.CreateIdAttr("UsdPreviewSurface")
    surface.CreateInput("roughness", types.Float).Set(material.roughness)
    surface.CreateInput("metallic", types.Float).Set(0.0)
    red, green, blue, alpha = material.base_color
    if material.alpha_mode != "OPAQUE":
        surface.CreateInput("opacity", types.Float).Set(alpha)
    color = surface.CreateInput("diffuseColor", types.Color3f)
    if material.texture is None:
        color.Set(pxr.Gf.Vec3f(red, green, blue))
        return surface.ConnectableAPI()
    suffix = {"image/png": "png", "image/jpeg": "jpg"}.get(image_type(material.texture) or "")
    if suffix is None:
        raise OutputError(f"texture of {material.name!r}: expected a PNG or JPEG")
    file = folder / f"texture_{index}.{suffix}"
    file.write_bytes(material.texture)
    reader = pxr.UsdShade.Shader.Define(stage, look.GetPath().AppendChild("uv"))
    reader.CreateIdAttr("UsdPrimvarReader_float2")
    reader.CreateInput("varname", types.String).Set("st")
    texture = pxr.UsdShade.Shader.Define(stage, look.GetPath().AppendChild("texture"))
    texture.CreateIdAttr("UsdUVTexture")
    texture.CreateInput("file", types.Asset).Set(f"./{file.name}")
    texture.CreateInput("sourceColorSpace", types.Token).Set("sRGB")
    texture.CreateInput("scale", types.Float4).Set(pxr.Gf.Vec4f(red, green, blue, 1))
    for wrap in ("wrapS", "wrapT"):
        texture.CreateInput(wrap, types.Token).Set("repeat")
    texture.CreateInput("st", types.Float2).ConnectToSource(
        reader.CreateOutput("result", types.Float2)
    )
    color.ConnectToSource(texture.CreateOutput("rgb", types.Float3))
    return surface.ConnectableAPI()


def _vt_matrices(pxr: SimpleNamespace, columns: Array) -> Any:
    rows = np.ascontiguousarray(np.swapaxes(columns, -1, -2).astype(np.float64))
    return pxr.Vt.Matrix4dArray.FromNumpy(rows)


def _save(pxr: SimpleNamespace, stage: Any, path: str | Path, folder: Path | None = None) -> None:
    with atomic_path(path) as temporary, _folder(folder) as inside:
        if Path(path).suffix.lower() != ".usdz":
            done = stage.GetRootLayer().Export(str(temporary))
        else:
            layer = inside / "figure.usdc"
            stage.GetRootLayer().Export(str(layer))
            temporary.unlink()
            done = pxr.UsdUtils.CreateNewUsdzPackage(str(layer), str(temporary))
        if not done:
            raise OutputError(f"USD: cannot write there: {path}")


@contextmanager
def _folder(given: Path | None) -> Iterator[Path]:
    if given is not None:
        yield given
        return
    with tempfile.TemporaryDirectory() as made:
        yield Path(made)
