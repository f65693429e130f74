#!/usr/bin/python3
"""Check an exported ONNX model with the onnx package: check_onnx.py MODEL.onnx

The checker in full, and shape inference over the whole graph: it must agree with the inputs and
the output that are declared. Prints one line of what was found. Exit status 77: no onnx package.
"""
import sys

try:
    import onnx
    from onnx import shape_inference
except ImportError as e:
    print(f"no onnx: {e}", file=sys.stderr)
    sys.exit(77)


def dims(v):
    return [d.dim_param or d.dim_value for d in v.type.tensor_type.shape.dim]


model = onnx.load(sys.argv[1])
onnx.checker.check_model(model, full_check=True)
shaped = shape_inference.infer_shapes(model, check_type=True, strict_mode=True, data_prop=True)
graph = shaped.graph
known = {v.name for v in list(graph.value_info) + list(graph.output)}
unknown = [o for n in graph.node for o in n.output if o not in known]
assert not unknown, f"no shape was inferred for {unknown[:5]}"
for v in graph.input:
    assert dims(v) == ["batch", "sequence"], (v.name, dims(v))
assert [v.name for v in graph.output] == ["logits"]
print(f"ok: {len(graph.node)} nodes, {len(graph.initializer)} tensors, inputs "
      f"{[v.name for v in graph.input]}, logits {dims(graph.output[0])}")
