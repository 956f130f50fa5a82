"""graphs: a network that would read files beside its own is refused, wherever in the graph it says so."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from power_nowcast.errors import ModelError
from power_nowcast.models.networks.graphs import check_graph

onnx = pytest.importorskip("onnx", reason="the extra neural is not installed")


def tensor(*, outside: bool) -> Any:
    made = onnx.numpy_helper.from_array(np.arange(6, dtype=np.float32), "weights")
    if outside:
        made.ClearField("raw_data")
        made.data_location = onnx.TensorProto.EXTERNAL
        made.external_data.add(key="location", value="/etc/hostname")
    return made


def model_of(nodes: list[Any], initializers: list[Any], functions: list[Any] | None = None) -> Any:
    out = onnx.helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, [6])
    graph = onnx.helper.make_graph(nodes, "network", [], [out], initializers, doc_string="location external_data")
    return onnx.helper.make_model(graph, functions=functions or [])


def as_initializer(part: Any) -> Any:
    return model_of([onnx.helper.make_node("Identity", ["weights"], ["y"])], [part])


def as_constant(part: Any) -> Any:
    return model_of([onnx.helper.make_node("Constant", [], ["y"], value=part)], [])


def in_a_branch(part: Any) -> Any:
    inner = as_initializer(part).graph
    return model_of([onnx.helper.make_node("If", ["yes"], ["y"], then_branch=inner, else_branch=inner)], [])


def in_a_function(part: Any) -> Any:
    node = onnx.helper.make_node("Constant", [], ["y"], value=part)
    own = onnx.helper.make_function("own", "f", [], ["y"], [node], [onnx.helper.make_opsetid("", 20)])
    return model_of([onnx.helper.make_node("f", [], ["y"], domain="own")], [], [own])


def sparse(part: Any) -> Any:
    model = model_of([onnx.helper.make_node("Identity", ["weights"], ["y"])], [])
    indices = onnx.numpy_helper.from_array(np.arange(6), "indices")
    model.graph.sparse_initializer.append(onnx.helper.make_sparse_tensor(part, indices, [6]))
    return model


@pytest.mark.parametrize("place", [as_initializer, as_constant, in_a_branch, in_a_function, sparse])
def test_external_data_are_found_wherever_they_are(place: Callable[[Any], Any]) -> None:
    check_graph(place(tensor(outside=False)).SerializeToString())
    with pytest.raises(ModelError, match="files of their own"):
        check_graph(place(tensor(outside=True)).SerializeToString())


def test_what_is_no_graph_is_refused() -> None:
    whole = as_initializer(tensor(outside=False)).SerializeToString()
    for cut in (whole[:-3], whole[:5] + b"\xff" * 40, b"\x0b"):
        with pytest.raises(ModelError, match="no ONNX graph"):
            check_graph(cut)
