#!/usr/bin/python3
"""Run an exported folder as stock code would: run_hf.py FOLDER INPUT.jsonl

Bert- or DistilBertForSequenceClassification written out in PyTorch after the library's layout: parameters by
their stock names and shapes (heads * head_size == hidden_size, one FFN width), nothing read from
config.json but its stock keys. Weights come from model.safetensors, else pytorch_model.bin. Notes are padded to one batch. INPUT is what `optimclm predict
--ids` reads. Prints one JSON array of logits a line. Exit status 77: torch or numpy is missing.
"""
import json
import math
import os
import struct
import sys

try:
    import numpy as np
    import torch
    from torch import nn
except ImportError as e:
    print(f"no torch: {e}", file=sys.stderr)
    sys.exit(77)


def read_safetensors(path):
    with open(path, "rb") as f:
        data = f.read()
    n = struct.unpack("<Q", data[:8])[0]
    head = json.loads(data[8:8 + n])
    head.pop("__metadata__", None)
    types = {"F32": np.float32, "F16": np.float16}
    out = {}
    for name, t in head.items():
        a, b = (8 + n + x for x in t["data_offsets"])
        v = np.frombuffer(data[a:b], types[t["dtype"]]).reshape(t["shape"])
        out[name] = torch.from_numpy(v.astype(np.float32))
    return out


def act(name):
    return {"gelu": nn.functional.gelu, "relu": torch.relu,
            "gelu_new": lambda x: 0.5 * x * (1 + torch.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x ** 3))),
            }[name]


def holder(**parts):
    m = nn.Module()
    for k, v in parts.items():
        setattr(m, k, v)
    return m


class Bert(nn.Module):
    """Parts are found by their stock names, which is all that differs between the two layouts."""
    HIDDEN, LAYERS, HEADS, FFN, ACT = ("hidden_size", "num_hidden_layers", "num_attention_heads",
                                       "intermediate_size", "hidden_act")
    STEM = "bert"

    def __init__(self, c):
        super().__init__()
        self.H, self.A, self.F, self.c = c[self.HIDDEN], c[self.HEADS], c[self.FFN], c
        self.eps = c.get("layer_norm_eps", 1e-12)
        assert self.H % self.A == 0
        H = self.H
        e = holder(word_embeddings=nn.Embedding(c["vocab_size"], H),
                   position_embeddings=nn.Embedding(c["max_position_embeddings"], H), LayerNorm=self.norm())
        if self.STEM == "bert":
            e.token_type_embeddings = nn.Embedding(c["type_vocab_size"], H)
        setattr(self, self.STEM, self.base(e, nn.ModuleList(self.layer() for _ in range(c[self.LAYERS]))))
        self.classifier = nn.Linear(H, len(c["id2label"]))

    def norm(self):
        return nn.LayerNorm(self.H, eps=self.eps)

    def base(self, e, layers):
        return holder(embeddings=e, encoder=holder(layer=layers), pooler=holder(dense=nn.Linear(self.H, self.H)))

    def layer(self):
        H = self.H
        qkv = holder(query=nn.Linear(H, H), key=nn.Linear(H, H), value=nn.Linear(H, H))
        return holder(attention=holder(self=qkv, output=holder(dense=nn.Linear(H, H), LayerNorm=self.norm())),
                      intermediate=holder(dense=nn.Linear(H, self.F)),
                      output=holder(dense=nn.Linear(self.F, H), LayerNorm=self.norm()))

    def parts(self, l):
        a, s = l.attention, l.attention.self
        return (s.query, s.key, s.value, a.output.dense, a.output.LayerNorm, l.intermediate.dense, l.output.dense,
                l.output.LayerNorm)

    def layers(self):
        return self.bert.encoder.layer

    def pool(self, x):
        return torch.tanh(self.bert.pooler.dense(x))

    def forward(self, ids, mask, types):
        e = getattr(self, self.STEM).embeddings
        x = e.word_embeddings(ids) + e.position_embeddings(torch.arange(ids.shape[1]))
        if self.STEM == "bert":
            x = x + e.token_type_embeddings(types)
        x = e.LayerNorm(x)
        mask = (1.0 - mask[:, None, None, :].float()) * torch.finfo(torch.float32).min
        B, T, H = x.shape
        for l in self.layers():
            query, key, value, out, ln1, f1, f2, ln2 = self.parts(l)
            q, k, v = (m(x).view(B, T, self.A, H // self.A).transpose(1, 2) for m in (query, key, value))
            s = q @ k.transpose(2, 3) / math.sqrt(H // self.A) + mask
            x = ln1(out((s.softmax(-1) @ v).transpose(1, 2).reshape(B, T, H)) + x)
            x = ln2(f2(act(self.c[self.ACT])(f1(x))) + x)
        return self.classifier(self.pool(x[:, 0]))


class DistilBert(Bert):
    HIDDEN, LAYERS, HEADS, FFN, ACT = "dim", "n_layers", "n_heads", "hidden_dim", "activation"
    STEM = "distilbert"

    def base(self, e, layers):
        self.pre_classifier = nn.Linear(self.H, self.H)
        return holder(embeddings=e, transformer=holder(layer=layers))

    def layer(self):
        H = self.H
        a = holder(q_lin=nn.Linear(H, H), k_lin=nn.Linear(H, H), v_lin=nn.Linear(H, H), out_lin=nn.Linear(H, H))
        return holder(attention=a, sa_layer_norm=self.norm(), output_layer_norm=self.norm(),
                      ffn=holder(lin1=nn.Linear(H, self.F), lin2=nn.Linear(self.F, H)))

    def parts(self, l):
        a = l.attention
        return (a.q_lin, a.k_lin, a.v_lin, a.out_lin, l.sa_layer_norm, l.ffn.lin1, l.ffn.lin2, l.output_layer_norm)

    def layers(self):
        return self.distilbert.transformer.layer

    def pool(self, x):
        return torch.relu(self.pre_classifier(x))


def main():
    folder, inputs = sys.argv[1:3]
    with open(os.path.join(folder, "config.json")) as f:
        config = json.load(f)
    net = (DistilBert if config["model_type"] == "distilbert" else Bert)(config).eval()
    path = os.path.join(folder, "model.safetensors")
    if os.path.exists(path):
        weights = read_safetensors(path)
    else:
        weights = {k: v.float() for k, v in torch.load(os.path.join(folder, "pytorch_model.bin")).items()}
    net.load_state_dict(weights, strict=True)
    with open(inputs) as f:
        notes = [json.loads(s) for s in f if s.strip()]
    T = max(len(n["input_ids"]) for n in notes)

    def rows(key, fill):
        out = torch.zeros(len(notes), T, dtype=torch.long)
        for b, n in enumerate(notes):
            v = n.get(key) or [fill] * len(n["input_ids"])
            out[b, :len(v)] = torch.tensor(v)
        return out

    with torch.no_grad():
        logits = net(rows("input_ids", 0), rows("attention_mask", 1), rows("token_type_ids", 0))
    for r in logits.tolist():
        print(json.dumps(r))


main()
