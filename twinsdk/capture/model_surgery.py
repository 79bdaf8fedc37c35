"""Old TFLite models made readable for today's MediaPipe: metadata, one extra layer, bundles.

MediaPipe 1.x reads `.task` bundles, zips of TFLite models that carry their image normalisation.
The models inside the wheel of 0.10.21 carry none, and its face model of 478 points gives six
separate outputs where one is expected. Both are mended here on the FlatBuffer itself; no weight
is changed.
"""

from __future__ import annotations

import io
import struct
import zipfile
from collections.abc import Mapping
from typing import Any

import numpy as np

from twinsdk.errors import FormatError

__all__ = [
    "bundle",
    "eye_and_lip_points",
    "refined_face_gather",
    "refined_face_model",
    "with_normalisation",
]

_MESH, _LIPS, _EYE, _IRIS = 1404, 160, 142, 10
_METADATA_NAME = b"TFLITE_METADATA"
_ALIGNMENT = 64  # bytes: the runtime maps the bundle, and vector loads want aligned weights

# Which of the 468 mesh points each refined region replaces, in the region's own order.
# Source: google-ai-edge/mediapipe, modules/face_landmark/tensors_to_face_landmarks_with_attention
# .pbtxt, the options of LandmarksRefinementCalculator; proven in tests against 0.10.21's output.
_LIPS_POINTS = (
    *(61, 146, 91, 181, 84, 17, 314, 405, 321, 375, 291, 185, 40, 39, 37, 0, 267, 269, 270, 409),
    *(78, 95, 88, 178, 87, 14, 317, 402, 318, 324, 308, 191, 80, 81, 82, 13, 312, 311, 310, 415),
    *(76, 77, 90, 180, 85, 16, 315, 404, 320, 307, 306, 184, 74, 73, 72, 11, 302, 303, 304, 408),
    *(62, 96, 89, 179, 86, 15, 316, 403, 319, 325, 292, 183, 42, 41, 38, 12, 268, 271, 272, 407),
)
_LEFT_EYE_POINTS = (
    *(33, 7, 163, 144, 145, 153, 154, 155, 133, 246, 161, 160, 159, 158, 157, 173),
    *(130, 25, 110, 24, 23, 22, 26, 112, 243, 247, 30, 29, 27, 28, 56, 190),
    *(226, 31, 228, 229, 230, 231, 232, 233, 244, 113, 225, 224, 223, 222, 221, 189),
    *(35, 124, 46, 53, 52, 65, 143, 111, 117, 118, 119, 120, 121, 128, 245),
    *(156, 70, 63, 105, 66, 107, 55, 193),
)
_RIGHT_EYE_POINTS = (
    *(263, 249, 390, 373, 374, 380, 381, 382, 362, 466, 388, 387, 386, 385, 384, 398),
    *(359, 255, 339, 254, 253, 252, 256, 341, 463, 467, 260, 259, 257, 258, 286, 414),
    *(446, 261, 448, 449, 450, 451, 452, 453, 464, 342, 445, 444, 443, 442, 441, 413),
    *(265, 353, 276, 283, 282, 295, 372, 340, 346, 347, 348, 349, 350, 357, 465),
    *(383, 300, 293, 334, 296, 336, 285, 417),
)
_CONTOUR = 16  # the first points of an eye region; an iris takes their mean depth


def with_normalisation(model: bytes, *, mean: float, std: float) -> bytes:
    """Return a TFLite model that says its image input is (pixel - mean) / std.

    Args:
        model: A TFLite FlatBuffer with one image input.
        mean: In pixel values, 0 to 255.
        std: In pixel values.

    Raises:
        FormatError: The bytes are no TFLite model.
    """
    graph = _unpack(model)
    _add_normalisation(graph, mean, std)
    return _pack(graph)


def refined_face_model(model: bytes) -> bytes:
    """Return the attention face model with one output of all 478 points, and the face flag.

    A CONCATENATION joins the six landmark outputs and a GATHER picks, for every point, x and y
    from its refined region and z from the mesh; an iris takes the mean z of its eye's contour, as
    MediaPipe's own refinement does. The result is what FaceLandmarker reads as a 478-point model.

    Raises:
        FormatError: The bytes are no TFLite model, or not that one.
    """
    graph = _unpack(model)
    sub = graph.subgraphs[0]
    sizes = [int(np.prod(sub.tensors[i].shape)) for i in sub.outputs]
    if sizes != [_MESH, _LIPS, _EYE, _EYE, _IRIS, _IRIS, 1]:
        raise FormatError(f"face model: expected the seven attention outputs, got sizes {sizes}")
    editor = _GraphEditor(graph)
    mesh, lips, left_eye, right_eye, left_iris, right_iris, flag = (int(i) for i in sub.outputs)
    depths = [
        editor.mean(editor.gather(mesh, [3 * p + 2 for p in points[:_CONTOUR]]))
        for points in (_LEFT_EYE_POINTS, _RIGHT_EYE_POINTS)
    ]
    joined = editor.concatenate([mesh, lips, left_eye, right_eye, left_iris, right_iris, *depths])
    points = editor.gather(joined, refined_face_gather().tolist(), name=b"landmarks_478")
    sub.outputs = np.array([points, flag], np.int32)
    graph.signatureDefs = []
    _add_normalisation(graph, 0.0, 255.0)
    return _pack(graph)


def refined_face_gather() -> np.ndarray[Any, np.dtype[np.int32]]:
    """Return (1434,) where each of 478 x (x, y, z) lies in the joined outputs.

    The joined outputs are mesh, lips, left eye, right eye, left iris, right iris (MediaPipe's
    "left" is the person's right), then one depth for each iris.
    """
    index = np.zeros((478, 3), np.int32)
    index[:468] = np.arange(_MESH).reshape(468, 3)
    start = _MESH
    for points in (_LIPS_POINTS, _LEFT_EYE_POINTS, _RIGHT_EYE_POINTS):
        index[list(points), :2] = start + np.arange(2 * len(points)).reshape(-1, 2)
        start += 2 * len(points)
    index[468:, :2] = start + np.arange(2 * _IRIS).reshape(-1, 2)
    start += 2 * _IRIS
    index[468:473, 2], index[473:, 2] = start, start + 1
    return index.reshape(-1)


def eye_and_lip_points() -> tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]:
    """Return the mesh points of the lips (80) and of either eye's contour (16 each)."""
    return _LIPS_POINTS, _LEFT_EYE_POINTS[:_CONTOUR], _RIGHT_EYE_POINTS[:_CONTOUR]


def bundle(files: Mapping[str, bytes]) -> bytes:
    """Return a `.task` bundle: a zip, uncompressed, every member aligned to 64 bytes.

    The same members give the same bytes.
    """
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_STORED) as archive:
        for name, data in files.items():
            member = zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0))
            header = 30 + len(name.encode()) + 4  # local header, name, head of the extra field
            padding = -(stream.tell() + header) % _ALIGNMENT
            # 0xD935 is the extra field that Android's zipalign pads with.
            member.extra = struct.pack("<HH", 0xD935, padding) + bytes(padding)
            archive.writestr(member, data)
    return stream.getvalue()


class _GraphEditor:
    """Appends operators to the end of a model's only subgraph."""

    def __init__(self, graph: Any) -> None:
        from mediapipe.tasks.metadata import schema_py_generated as schema

        self._schema = schema
        self._graph = graph
        self._sub = graph.subgraphs[0]

    def gather(self, tensor: int, indices: list[int], name: bytes = b"picked") -> int:
        """Append a GATHER along the last axis of (1, 1, 1, N); return its output tensor."""
        options = self._schema.GatherOptionsT()
        options.axis = 3
        where = self._constant(np.array(indices, np.int32))
        kind = self._schema.BuiltinOptions.GatherOptions
        return self._append("GATHER", [tensor, where], kind, options, len(indices), name)

    def mean(self, tensor: int) -> int:
        """Append a MEAN over the last axis, kept; return its output tensor."""
        options = self._schema.ReducerOptionsT()
        options.keepDims = True
        axis = self._constant(np.array([3], np.int32))
        kind = self._schema.BuiltinOptions.ReducerOptions
        return self._append("MEAN", [tensor, axis], kind, options, 1, b"depth")

    def concatenate(self, tensors: list[int]) -> int:
        """Append a CONCATENATION along the last axis; return its output tensor."""
        options = self._schema.ConcatenationOptionsT()
        options.axis = 3
        size = sum(int(self._sub.tensors[t].shape[-1]) for t in tensors)
        kind = self._schema.BuiltinOptions.ConcatenationOptions
        return self._append("CONCATENATION", tensors, kind, options, size, b"joined")

    def _append(
        self, builtin: str, inputs: list[int], kind: int, options: Any, size: int, name: bytes
    ) -> int:
        operator = self._schema.OperatorT()
        operator.opcodeIndex = self._code(getattr(self._schema.BuiltinOperator, builtin))
        operator.inputs = np.array(inputs, np.int32)
        output = self._tensor(name, (1, 1, 1, size), self._schema.TensorType.FLOAT32, 0)
        operator.outputs = np.array([output], np.int32)
        operator.builtinOptionsType = kind
        operator.builtinOptions = options
        self._sub.operators.append(operator)
        return output

    def _code(self, builtin: int) -> int:
        for index, code in enumerate(self._graph.operatorCodes):
            if max(code.builtinCode, code.deprecatedBuiltinCode) == builtin:
                return index
        code = self._schema.OperatorCodeT()
        code.builtinCode = code.deprecatedBuiltinCode = builtin
        code.version = 1
        self._graph.operatorCodes.append(code)
        return len(self._graph.operatorCodes) - 1

    def _constant(self, values: np.ndarray[Any, np.dtype[np.int32]]) -> int:
        buffer = self._schema.BufferT()
        buffer.data = np.frombuffer(values.astype("<i4").tobytes(), np.uint8)
        self._graph.buffers.append(buffer)
        kind = self._schema.TensorType.INT32
        return self._tensor(b"constant", values.shape, kind, len(self._graph.buffers) - 1)

    def _tensor(self, name: bytes, shape: tuple[int, ...], kind: int, buffer: int) -> int:
        tensor = self._schema.TensorT()
        tensor.name = name
        tensor.shape = np.array(shape, np.int32)
        tensor.type = kind
        tensor.buffer = buffer
        self._sub.tensors.append(tensor)
        return len(self._sub.tensors) - 1


def _add_normalisation(graph: Any, mean: float, std: float) -> None:
    import flatbuffers
    from mediapipe.tasks.metadata import metadata_schema_py_generated as metadata
    from mediapipe.tasks.metadata import schema_py_generated as schema

    normalisation = metadata.NormalizationOptionsT()
    normalisation.mean, normalisation.std = [mean], [std]
    unit = metadata.ProcessUnitT()
    unit.optionsType = metadata.ProcessUnitOptions.NormalizationOptions
    unit.options = normalisation
    image = metadata.ImagePropertiesT()
    image.colorSpace = metadata.ColorSpaceType.RGB
    content = metadata.ContentT()
    content.contentPropertiesType = metadata.ContentProperties.ImageProperties
    content.contentProperties = image
    tensor = metadata.TensorMetadataT()
    tensor.name, tensor.content, tensor.processUnits = "image", content, [unit]
    sub = metadata.SubGraphMetadataT()
    sub.inputTensorMetadata = [tensor]
    sub.outputTensorMetadata = []
    for index in graph.subgraphs[0].outputs:
        output = metadata.TensorMetadataT()
        output.name = graph.subgraphs[0].tensors[int(index)].name.decode()
        sub.outputTensorMetadata.append(output)
    model = metadata.ModelMetadataT()
    model.name, model.subgraphMetadata = "image model", [sub]
    builder = flatbuffers.Builder(0)
    builder.Finish(model.Pack(builder), b"M001")

    buffer = schema.BufferT()
    buffer.data = np.frombuffer(bytes(builder.Output()), np.uint8)
    graph.buffers.append(buffer)
    entry = schema.MetadataT()
    entry.name, entry.buffer = _METADATA_NAME, len(graph.buffers) - 1
    others = [m for m in graph.metadata or [] if bytes(m.name) != _METADATA_NAME]
    graph.metadata = [*others, entry]


def _unpack(model: bytes) -> Any:
    from mediapipe.tasks.metadata import schema_py_generated as schema

    if len(model) < 8 or model[4:8] != b"TFL3":
        raise FormatError(f"model: expected a TFLite file ('TFL3' at byte 4), got {model[4:8]!r}")
    return schema.ModelT.InitFromObj(schema.Model.GetRootAs(model, 0))


def _pack(graph: Any) -> bytes:
    import flatbuffers

    builder = flatbuffers.Builder(1 << 20)
    builder.Finish(graph.Pack(builder), b"TFL3")
    return bytes(builder.Output())
