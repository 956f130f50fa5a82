"""Check ONNX graphs from a file before ONNX Runtime reads them.

A tensor of a graph may name a separate file (external data), which no digest covers and which may be anywhere on the
machine. The package `onnx` could find such tensors, but serving works without it: this module reads the fields from
protobuf's wire format.
"""

from collections.abc import Iterator

from power_nowcast.errors import ModelError

TENSOR = "TensorProto"
PARTS: dict[str, dict[int, str]] = {
    "ModelProto": {7: "GraphProto", 20: "TrainingInfoProto", 25: "FunctionProto"},
    "TrainingInfoProto": {1: "GraphProto", 2: "GraphProto"},
    "GraphProto": {1: "NodeProto", 5: TENSOR, 15: "SparseTensorProto"},
    "FunctionProto": {7: "NodeProto", 11: "AttributeProto"},
    "NodeProto": {5: "AttributeProto"},
    "AttributeProto": {5: TENSOR, 6: "GraphProto", 10: TENSOR, 11: "GraphProto"}
    | dict.fromkeys((22, 23), "SparseTensorProto"),
    "SparseTensorProto": {1: TENSOR, 2: TENSOR},
}
"""Fields of ONNX's messages that lead to tensors, by message."""
EXTERNAL_DATA, DATA_LOCATION = 13, 14
"""Fields of a tensor with external data."""
VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5


def check_graph(graph: bytes) -> None:
    """Reject a graph that reads files, and bytes that are not a graph.

    Raises:
        ModelError: a tensor has external data, or the bytes are not an ONNX graph.
    """
    waiting = [("ModelProto", memoryview(graph))]
    try:
        while waiting:
            message, content = waiting.pop()
            for field, value in _fields(content):
                if message == TENSOR:
                    if field == EXTERNAL_DATA or (field == DATA_LOCATION and value != 0):
                        raise _refused("its data lie in files of their own")
                elif field in PARTS[message] and isinstance(value, memoryview):
                    waiting.append((PARTS[message][field], value))
    except (IndexError, ValueError) as error:
        raise _refused("it is no ONNX graph") from error


def _refused(why: str) -> ModelError:
    return ModelError(f"A network of the model cannot be used: {why}.", remedy="Train the model again.")


def _fields(content: memoryview) -> Iterator[tuple[int, int | memoryview]]:
    """Number and value of each field of a message; a value of fixed size is given as its bytes."""
    at = 0
    while at < len(content):
        tag, at = _varint(content, at)
        kind = tag & 7
        if kind == VARINT:
            number, at = _varint(content, at)
            yield tag >> 3, number
            continue
        if kind == BYTES:
            size, at = _varint(content, at)
        elif kind in (FIXED64, FIXED32):
            size = 8 if kind == FIXED64 else 4
        else:
            raise ValueError(f"wire type {kind}")
        if at + size > len(content):
            raise ValueError("a field reaches past the end")
        yield tag >> 3, content[at : at + size]
        at += size


def _varint(content: memoryview, at: int) -> tuple[int, int]:
    """The number at a position, seven bits per byte, and the position after it."""
    number = shift = 0
    while True:
        byte = content[at]
        number |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return number, at
