#!/usr/bin/python3
"""Record what PyTorch computes for two tiny BERTs: tests/parity/bert_tiny.safetensors.

Run with Debian 12's python3-torch (1.13) and python3-numpy, from the root of the tree:
    /usr/bin/python3 tests/parity/make_fixture.py

The network is written out here after the definition of BertForSequenceClassification: additive
attention mask, softmax over all positions of the padded batch, post-LayerNorm, erf GELU, tanh
pooler. Weights and inputs are float32 values; everything is computed in float64, so that a
difference seen by test_parity.c is the error of the C program alone. Dropout is off.

Per case ("single", "multi"): weights w/, padded ids, types, mask, every hidden state, pooled,
logits, loss, its gradients g/; the distillation loss and its gradient on the logits; then ten
steps of torch.optim.AdamW (warm-up and linear decay, clipping, decay on matrices only) on the
mixed loss: losses, gradient norms, final weights final/.
"""
import json
import math
import struct
import sys

import numpy as np
import torch

OUT = "tests/parity/bert_tiny.safetensors"
DTYPES = {"float32": "F32", "float64": "F64", "int32": "I32", "uint8": "U8"}

CASES = {
    # Plain BERT: heads times head size is the hidden size.
    "single": dict(L=2, H=24, D=8, V=60, P=12, S=2, K=3, A=[3, 3], F=[40, 40], multi=False, seed=1),
    # Pruned: layers differ, and no layer's heads fill the hidden size.
    "multi": dict(L=2, H=20, D=7, V=40, P=12, S=2, K=4, A=[3, 1], F=[33, 18], multi=True, seed=2),
}
EPS = 1e-12
TEMPERATURE = 2.5
HARD, SOFT = 0.3, 0.7
LR, WARMUP, STEPS, CLIP, DECAY = 2e-3, 3, 10, 1.0, 0.01


def shapes(c):
    H, D = c["H"], c["D"]
    e = "bert.embeddings."
    yield e + "word_embeddings.weight", (c["V"], H)
    yield e + "position_embeddings.weight", (c["P"], H)
    yield e + "token_type_embeddings.weight", (c["S"], H)
    yield from norm(e, H)
    for l in range(c["L"]):
        p, AD, F = f"bert.encoder.layer.{l}.", c["A"][l] * D, c["F"][l]
        for n in ("query", "key", "value"):
            yield from linear(p + "attention.self." + n, AD, H)
        yield from linear(p + "attention.output.dense", H, AD)
        yield from norm(p + "attention.output.", H)
        yield from linear(p + "intermediate.dense", F, H)
        yield from linear(p + "output.dense", H, F)
        yield from norm(p + "output.", H)
    yield from linear("bert.pooler.dense", H, H)
    yield from linear("classifier", c["K"], H)


def linear(name, rows, cols):
    yield name + ".weight", (rows, cols)
    yield name + ".bias", (rows,)


def norm(prefix, n):
    yield prefix + "LayerNorm.weight", (n,)
    yield prefix + "LayerNorm.bias", (n,)


def make_weights(c, rng):
    w = {}
    for name, shape in shapes(c):
        gain = name.endswith("LayerNorm.weight")
        x = (1.0 if gain else 0.0) + 0.3 * rng.standard_normal(shape)
        w[name] = torch.tensor(x.astype(np.float32).astype(np.float64), requires_grad=True)
    return w


def make_inputs(c, rng):
    lengths = [12, 5, 1, 8]
    B, T = len(lengths), max(lengths)
    ids = np.zeros((B, T), np.int32)
    types = np.zeros((B, T), np.int32)
    mask = np.zeros((B, T), np.uint8)
    for b, n in enumerate(lengths):
        ids[b, :n] = rng.integers(1, c["V"], n)
        types[b, n // 2 : n] = 1 if n > 1 else 0
        mask[b, :n] = 1
    mask[0, 4] = 0  # a hole: its row is still a query
    return ids, types, mask, np.array(lengths, np.int32)


def apply_linear(w, name, x):
    return torch.nn.functional.linear(x, w[name + ".weight"], w[name + ".bias"])


def apply_norm(w, prefix, x):
    return torch.nn.functional.layer_norm(
        x, x.shape[-1:], w[prefix + "LayerNorm.weight"], w[prefix + "LayerNorm.bias"], EPS)


def forward(c, w, ids, types, mask):
    B, T = ids.shape
    e = "bert.embeddings."
    x = torch.nn.functional.embedding(ids, w[e + "word_embeddings.weight"])
    x = x + torch.nn.functional.embedding(types, w[e + "token_type_embeddings.weight"])
    x = x + w[e + "position_embeddings.weight"][:T].unsqueeze(0)
    x = apply_norm(w, e, x)
    hidden = [x]
    off = (1.0 - mask[:, None, None, :].double()) * torch.finfo(torch.float32).min
    for l in range(c["L"]):
        p, A, D = f"bert.encoder.layer.{l}.", c["A"][l], c["D"]
        q, k, v = (apply_linear(w, p + "attention.self." + n, x).view(B, T, A, D).permute(0, 2, 1, 3)
                   for n in ("query", "key", "value"))
        s = q @ k.transpose(-1, -2) / math.sqrt(D) + off
        ctx = (torch.softmax(s, -1) @ v).permute(0, 2, 1, 3).reshape(B, T, A * D)
        y = apply_norm(w, p + "attention.output.", apply_linear(w, p + "attention.output.dense", ctx) + x)
        g = torch.nn.functional.gelu(apply_linear(w, p + "intermediate.dense", y))
        x = apply_norm(w, p + "output.", apply_linear(w, p + "output.dense", g) + y)
        hidden.append(x)
    pooled = torch.tanh(apply_linear(w, "bert.pooler.dense", x[:, 0]))
    return hidden, pooled, apply_linear(w, "classifier", pooled)


def hard_loss(c, z, y):
    if c["multi"]:
        return torch.nn.functional.binary_cross_entropy_with_logits(
            z, y["labels"], pos_weight=y["weight"])
    return torch.nn.functional.cross_entropy(z, y["label"], weight=y["weight"])


def soft_loss(c, z, t):
    T = TEMPERATURE
    if c["multi"]:
        ps, pt = torch.sigmoid(z / T), torch.sigmoid(t / T)
        kl = pt * (pt.log() - ps.log()) + (1 - pt) * ((1 - pt).log() - (1 - ps).log())
        return T * T * kl.mean()
    return T * T * torch.nn.functional.kl_div(
        torch.log_softmax(z / T, 1), torch.softmax(t / T, 1), reduction="batchmean")


def lr_factor(step):
    if step < WARMUP:
        return step / max(1, WARMUP)
    return max(0.0, (STEPS - step) / max(1, STEPS - WARMUP))


def train(c, w, batch, y, teacher):
    decays = [p for n, p in w.items() if n.endswith(".weight") and "LayerNorm" not in n]
    rest = [p for n, p in w.items() if not (n.endswith(".weight") and "LayerNorm" not in n)]
    opt = torch.optim.AdamW([{"params": decays, "weight_decay": DECAY},
                             {"params": rest, "weight_decay": 0.0}], lr=LR)
    sched = torch.optim.lr_scheduler.LambdaLR(opt, lr_factor)
    losses, norms = [], []
    for _ in range(STEPS):
        opt.zero_grad()
        z = forward(c, w, *batch)[2]
        loss = HARD * hard_loss(c, z, y) + SOFT * soft_loss(c, z, teacher)
        loss.backward()
        norms.append(float(torch.nn.utils.clip_grad_norm_(list(w.values()), CLIP)))
        opt.step()
        sched.step()
        losses.append(float(loss))
    return np.array(losses), np.array(norms)


def f32(x):
    return x.detach().numpy().astype(np.float32)


def record(c):
    rng = np.random.default_rng(c["seed"])
    out = {}
    w = make_weights(c, rng)
    for n, p in w.items():
        out["w/" + n] = f32(p)
    ids, types, mask, lengths = make_inputs(c, rng)
    out.update({"ids": ids, "types": types, "mask": mask, "lengths": lengths})
    batch = (torch.tensor(ids).long(), torch.tensor(types).long(), torch.tensor(mask))
    B, K = len(lengths), c["K"]
    weight = (0.5 + rng.random(K)).astype(np.float32)
    labels = (rng.random((B, K)) < 0.4).astype(np.uint8)
    label = rng.integers(0, K, B).astype(np.int32)
    teacher = (2 * rng.standard_normal((B, K))).astype(np.float32)
    out.update({"weight": weight, "labels": labels, "label": label, "teacher": teacher})
    y = {"weight": torch.tensor(weight).double(), "labels": torch.tensor(labels).double(),
         "label": torch.tensor(label).long()}
    t = torch.tensor(teacher).double()

    hidden, pooled, z = forward(c, w, *batch)
    for i, h in enumerate(hidden):
        out[f"hidden.{i}"] = f32(h)
    out["pooled"], out["logits"] = f32(pooled), f32(z)
    loss = hard_loss(c, z, y)
    loss.backward()
    out["loss"] = np.array([float(loss)])
    for n, p in w.items():
        out["g/" + n] = f32(p.grad)
    zs = z.detach().clone().requires_grad_(True)
    kd = soft_loss(c, zs, t)
    kd.backward()
    out["kd.loss"], out["kd.dlogits"] = np.array([float(kd)]), f32(zs.grad)
    out["steps.loss"], out["steps.norm"] = train(c, w, batch, y, t)
    for n, p in w.items():
        out["final/" + n] = f32(p)
    return out


def write(path, tensors, meta):
    header, blobs, at = {"__metadata__": meta}, [], 0
    for n, a in tensors.items():
        b = np.ascontiguousarray(a).tobytes()
        header[n] = {"dtype": DTYPES[str(a.dtype)], "shape": list(a.shape),
                     "data_offsets": [at, at + len(b)]}
        blobs.append(b)
        at += len(b)
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as f:
        f.write(struct.pack("<Q", len(text)) + text + b"".join(blobs))


def main():
    torch.set_num_threads(1)
    tensors = {}
    for name, c in CASES.items():
        tensors.update({f"{name}/{n}": a for n, a in record(c).items()})
    write(OUT, tensors, {"made_by": "tests/parity/make_fixture.py", "torch": torch.__version__,
                         "numpy": np.__version__, "python": sys.version.split()[0]})


if __name__ == "__main__":
    main()
