"""ONNX graphs of a model folder, for the ONNX Runtime peer of the model benchmark.

Writes into OUT, from FOLDER/model.safetensors (f32):
  f32-plain.onnx   standard operators (opset 17)
  f32-fused.onnx   Attention, SkipLayerNormalization, BiasGelu of com.microsoft
  int8-plain.onnx  dynamic quantization: DynamicQuantizeLinear and MatMulInteger for each product
  int8-fused.onnx  the same with QAttention and the other fused operators
Weights are quantized to signed 8 bits with one scale a matrix and activations to unsigned 8 bits,
as onnxruntime's quantize_dynamic does. Operators: onnx/docs/Operators.md,
onnxruntime/docs/ContribOperators.md. Needs onnx and numpy.
Usage: make_onnx.py FOLDER OUT
"""
import json
import math
import os
import sys

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

MS = "com.microsoft"


def read_safetensors(path):
    with open(path, "rb") as f:
        n = int.from_bytes(f.read(8), "little")
        head = json.loads(f.read(n))
        data = f.read()
    return {k: np.frombuffer(data[slice(*t["data_offsets"])], dtype=np.float32).reshape(t["shape"])
            for k, t in head.items() if k != "__metadata__"}


class Graph:
    def __init__(self, w, config, fused, int8):
        self.w, self.fused, self.int8 = w, fused, int8
        self.H, self.A = config["hidden_size"], config["num_attention_heads"]
        self.L = config["num_hidden_layers"]
        self.nodes, self.inits, self.known, self.quantized = [], [], set(), {}
        self.n = 0

    def const(self, name, a):
        if name not in self.known:
            self.known.add(name)
            self.inits.append(numpy_helper.from_array(np.ascontiguousarray(a), name))
        return name

    def op(self, kind, inputs, n_out=1, domain="", **attrs):
        outs = ["t%d" % (self.n + i) for i in range(n_out)]
        self.n += n_out
        self.nodes.append(helper.make_node(kind, inputs, outs, domain=domain, **attrs))
        return outs[0] if n_out == 1 else outs

    def quantize(self, x):
        """u8 values, scale, zero point of an activation; once for all products that read it."""
        if x not in self.quantized:
            self.quantized[x] = self.op("DynamicQuantizeLinear", [x], 3)
        return self.quantized[x]

    def weight_s8(self, name, w):
        s = np.float32(np.abs(w).max() / 127)
        q = np.clip(np.rint(w / s), -127, 127).astype(np.int8)
        return (self.const(name + ".q", q), self.const(name + ".s", np.array(s, np.float32)),
                self.const(name + ".z", np.array(0, np.int8)))

    def product(self, x, name, w):
        """x w without the bias; w [in, out]."""
        if not self.int8:
            return self.op("MatMul", [x, self.const(name, w)])
        xq, xs, xz = self.quantize(x)
        wq, ws, wz = self.weight_s8(name, w)
        acc = self.op("Cast", [self.op("MatMulInteger", [xq, wq, xz, wz])], to=TensorProto.FLOAT)
        return self.op("Mul", [acc, self.op("Mul", [xs, ws])])

    def linear(self, x, stem):
        y = self.product(x, stem + ".wt", self.w[stem + ".weight"].T)
        return self.op("Add", [y, self.const(stem + ".bias", self.w[stem + ".bias"])])

    def norm(self, x, stem):
        g, b = self.w[stem + ".weight"], self.w[stem + ".bias"]
        return self.op("LayerNormalization", [x, self.const(stem + ".g", g), self.const(stem + ".b", b)],
                       axis=-1, epsilon=1e-12)

    def add_norm(self, x, y, dense, stem):
        """LN(x + (y W + b))"""
        if not self.fused:
            return self.norm(self.op("Add", [x, self.linear(y, dense)]), stem)
        p = self.product(y, dense + ".wt", self.w[dense + ".weight"].T)
        g, b = self.w[stem + ".weight"], self.w[stem + ".bias"]
        return self.op("SkipLayerNormalization",
                       [p, x, self.const(stem + ".g", g), self.const(stem + ".b", b),
                        self.const(dense + ".bias", self.w[dense + ".bias"])], domain=MS, epsilon=1e-12)

    def gelu(self, x, dense):
        if self.fused:
            p = self.product(x, dense + ".wt", self.w[dense + ".weight"].T)
            return self.op("BiasGelu", [p, self.const(dense + ".bias", self.w[dense + ".bias"])], domain=MS)
        y = self.linear(x, dense)
        f = lambda name, v: self.const(name, np.array(v, np.float32))
        e = self.op("Erf", [self.op("Div", [y, f("sqrt2", math.sqrt(2))])])
        return self.op("Mul", [self.op("Mul", [y, self.op("Add", [e, f("one", 1)])]), f("half", 0.5)])

    def attention_fused(self, x, p):
        w = np.concatenate([self.w[p + k + ".weight"].T for k in ("query", "key", "value")], axis=1)
        b = np.concatenate([self.w[p + k + ".bias"] for k in ("query", "key", "value")])
        bias = self.const(p + "qkv.b", b)
        if not self.int8:
            return self.op("Attention", [x, self.const(p + "qkv", w), bias, "mask32"], domain=MS, num_heads=self.A)
        xq, xs, xz = self.quantize(x)
        wq, ws, wz = self.weight_s8(p + "qkv", w)
        return self.op("QAttention", [xq, wq, bias, xs, ws, "mask32", xz, wz], domain=MS, num_heads=self.A)

    def attention(self, x, p):
        if self.fused:
            return self.attention_fused(x, p)
        D = self.H // self.A
        split = self.const("split", np.array([0, 0, self.A, D], np.int64))
        heads = lambda k, perm: self.op("Transpose", [self.op("Reshape", [self.linear(x, p + k), split])], perm=perm)
        q, k, v = heads("query", [0, 2, 1, 3]), heads("key", [0, 2, 3, 1]), heads("value", [0, 2, 1, 3])
        s = self.op("Div", [self.op("MatMul", [q, k]), self.const("sqrtD", np.array(math.sqrt(D), np.float32))])
        a = self.op("Softmax", [self.op("Add", [s, "bias_mask"])], axis=-1)
        c = self.op("Transpose", [self.op("MatMul", [a, v])], perm=[0, 2, 1, 3])
        return self.op("Reshape", [c, self.const("join", np.array([0, 0, self.H], np.int64))])

    def masks(self):
        if self.fused:
            self.nodes.append(helper.make_node("Cast", ["attention_mask"], ["mask32"], to=TensorProto.INT32))
            return
        m = self.op("Unsqueeze", ["attention_mask", self.const("axes12", np.array([1, 2], np.int64))])
        m = self.op("Sub", [self.const("one", np.array(1, np.float32)), self.op("Cast", [m], to=TensorProto.FLOAT)])
        low = self.const("low", np.array(-10000, np.float32))
        self.nodes.append(helper.make_node("Mul", [m, low], ["bias_mask"]))

    def embed(self):
        e = "bert.embeddings."
        table = lambda k: self.const(e + k, self.w[e + k + ".weight"])
        i64 = lambda name, v: self.const(name, np.array(v, np.int64))
        T = self.op("Gather", [self.op("Shape", ["input_ids"]), i64("i1", [1])], axis=0)
        pos = self.op("Slice", [table("position_embeddings"), i64("zero", [0]), T, i64("axis0", [0])])
        x = self.op("Add", [self.op("Gather", [table("word_embeddings"), "input_ids"]),
                            self.op("Gather", [table("token_type_embeddings"), "token_type_ids"])])
        return self.norm(self.op("Add", [x, pos]), e + "LayerNorm")

    def build(self):
        self.masks()
        x = self.embed()
        for l in range(self.L):
            p = "bert.encoder.layer.%d." % l
            c = self.attention(x, p + "attention.self.")
            x = self.add_norm(x, c, p + "attention.output.dense", p + "attention.output.LayerNorm")
            x = self.add_norm(x, self.gelu(x, p + "intermediate.dense"), p + "output.dense", p + "output.LayerNorm")
        first = self.op("Gather", [x, self.const("i0", np.array(0, np.int64))], axis=1)
        z = self.linear(self.op("Tanh", [self.linear(first, "bert.pooler.dense")]), "classifier")
        self.nodes.append(helper.make_node("Identity", [z], ["logits"]))
        ins = [helper.make_tensor_value_info(n, TensorProto.INT64, ["batch", "length"])
               for n in ("input_ids", "attention_mask", "token_type_ids")]
        out = [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", 2])]
        g = helper.make_graph(self.nodes, "bert", ins, out, self.inits)
        return helper.make_model(g, ir_version=8,
                                 opset_imports=[helper.make_opsetid("", 17), helper.make_opsetid(MS, 1)])


def main():
    folder, out = sys.argv[1:3]
    os.makedirs(out, exist_ok=True)
    w = read_safetensors(os.path.join(folder, "model.safetensors"))
    with open(os.path.join(folder, "config.json")) as f:
        config = json.load(f)
    for int8 in (False, True):
        for fused in (False, True):
            name = "%s-%s.onnx" % ("int8" if int8 else "f32", "fused" if fused else "plain")
            path = os.path.join(out, name)
            if not os.path.exists(path):
                onnx.save(Graph(w, config, fused, int8).build(), path + ".new")
                os.rename(path + ".new", path)


main()
