"""ONNX Runtime in the model benchmark, through its Python package. Protocol: core/measure/peer.h.

Graphs: MODEL-onnx/VARIANT.onnx, made by make_onnx.py; its own optimizations at level "all".
peer_ort.js does the same through Node. Needs onnxruntime and numpy.
"""
import sys
import time

sys.dont_write_bytecode = True  # nothing is left beside the sources
try:
    import peer
except ImportError as e:
    print("absent", e, flush=True)
    sys.exit(1)
try:
    import onnxruntime as ort
    import numpy as np
except Exception as e:  # whatever keeps it from loading is the reason to show
    peer.absent(e)

kept = {}


def session(r):
    for k in [k for k in kept if (k[0], k[2]) != (r.model, r.threads)]:
        del kept[k]
    key = (r.model, r.variant, r.threads)
    if key not in kept:
        o = ort.SessionOptions()
        o.intra_op_num_threads = r.threads
        o.inter_op_num_threads = 1
        o.execution_mode = ort.ExecutionMode.ORT_SEQUENTIAL
        o.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_ALL
        o.log_severity_level = 3
        kept[key] = ort.InferenceSession("%s-onnx/%s.onnx" % (r.model, r.variant), sess_options=o,
                                         providers=["CPUExecutionProvider"])
    return kept[key]


def make_todo(r):
    return [{"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}
            for ids, mask in peer.batches(r)]


def run(r, todo):
    if r.mode != "infer":
        raise ValueError("ONNX Runtime does not train here")
    s, ms, first = session(r), [], None
    for _ in range(r.runs):
        from_ = time.perf_counter()
        for i, feed in enumerate(todo):
            out = s.run(None, feed)
            if i == 0:
                first = out[0]
        ms.append((time.perf_counter() - from_) * 1e3)
    return ms, np.ravel(first)[:2].tolist()  # of the first note


peer.serve("ONNX Runtime " + ort.__version__,
           ["infer-f32 f32-plain", "infer-f32 f32-fused", "infer-int8 int8-plain", "infer-int8 int8-fused"],
           make_todo, run)
