"""PyTorch in the model benchmark: eager, traced, quantize_dynamic and a training step.

A plain BERT of stock layers (separate query, key and value, scores, masked softmax), weights from
MODEL-f32/model.safetensors, batches padded with an attention mask as people run them. Where torch
has it, "sdpa" is the same with scaled_dot_product_attention, and without the mask where nothing is
padded, as transformers does. Protocol: core/measure/peer.h. Needs torch and numpy.
"""
import ctypes
import json
import math
import os
import re
import sys
import time

sys.dont_write_bytecode = True  # nothing is left beside the sources
os.environ.setdefault("GLOG_minloglevel", "2")  # qnnpack warns at every layer
try:
    import numpy as np
    import torch
    import peer
    from torch import nn
    import torch.nn.functional as F
except Exception as e:  # whatever keeps torch from loading is the reason to show
    print("absent", str(e).replace("\n", " "), flush=True)
    sys.exit(1)


def read_safetensors(path):
    with open(path, "rb") as f:
        n = int.from_bytes(f.read(8), "little")
        head = json.loads(f.read(n))
        data = f.read()
    out = {}
    for name, t in head.items():
        if name == "__metadata__":
            continue
        a, b = t["data_offsets"]
        out[name] = torch.from_numpy(
            np.frombuffer(data[a:b], dtype=np.float32).reshape(t["shape"]).copy())
    return out


class Layer(nn.Module):
    def __init__(self, H, A, ffn, p, sdpa):
        super().__init__()
        self.sdpa = sdpa
        self.A, self.sqrt_D = A, math.sqrt(H // A)
        self.query, self.key, self.value = nn.Linear(H, H), nn.Linear(H, H), nn.Linear(H, H)
        self.out, self.ln1 = nn.Linear(H, H), nn.LayerNorm(H, eps=1e-12)
        self.up, self.down, self.ln2 = nn.Linear(H, ffn), nn.Linear(ffn, H), nn.LayerNorm(H, eps=1e-12)
        self.drop = nn.Dropout(p)

    def heads(self, x):
        B, T, H = x.shape
        return x.view(B, T, self.A, H // self.A).permute(0, 2, 1, 3)

    def attend(self, q, k, v, bias):
        if self.sdpa:
            p = self.drop.p if self.training else 0.0
            return F.scaled_dot_product_attention(q, k, v, attn_mask=bias, dropout_p=p)
        s = torch.matmul(q, k.transpose(-1, -2)) / self.sqrt_D + bias
        return torch.matmul(self.drop(torch.softmax(s, dim=-1)), v)

    def forward(self, x, bias):
        q, k, v = self.heads(self.query(x)), self.heads(self.key(x)), self.heads(self.value(x))
        c = self.attend(q, k, v, bias)
        c = c.permute(0, 2, 1, 3).contiguous().view(x.shape)
        x = self.ln1(x + self.drop(self.out(c)))
        return self.ln2(x + self.drop(self.down(F.gelu(self.up(x)))))


def read_folder(folder):
    """(L, H, A, F, V, P), weights"""
    w = read_safetensors(os.path.join(folder, "model.safetensors"))
    with open(os.path.join(folder, "config.json")) as f:
        c = json.load(f)
    V = w["bert.embeddings.word_embeddings.weight"].shape[0]
    return (c["num_hidden_layers"], c["hidden_size"], c["num_attention_heads"],
            c["intermediate_size"], V, c["max_position_embeddings"]), w


class Bert(nn.Module):
    """Of a folder, or "new:L2-H128-A4-F512-V30522" with random weights."""

    def __init__(self, source, sdpa=False, p=0.1):
        super().__init__()
        self.sdpa = sdpa
        new = re.fullmatch(r"new:L(\d+)-H(\d+)-A(\d+)-F(\d+)-V(\d+)", source)
        shape, w = ([int(n) for n in new.groups()] + [512], None) if new else read_folder(source)
        L, H, A, ffn, V, P = shape
        self.word, self.pos = nn.Embedding(V, H), nn.Embedding(P, H)
        self.segment = nn.Embedding(2, H)
        self.ln, self.drop = nn.LayerNorm(H, eps=1e-12), nn.Dropout(p)
        self.layer = nn.ModuleList(Layer(H, A, ffn, p, sdpa) for _ in range(L))
        self.pooler, self.classifier = nn.Linear(H, H), nn.Linear(H, 2)
        if w:
            self.load(w, L)

    def load(self, w, L):
        names = {"word": "bert.embeddings.word_embeddings", "pos": "bert.embeddings.position_embeddings",
                 "segment": "bert.embeddings.token_type_embeddings", "ln": "bert.embeddings.LayerNorm",
                 "pooler": "bert.pooler.dense", "classifier": "classifier"}
        part = {"query": "attention.self.query", "key": "attention.self.key",
                "value": "attention.self.value", "out": "attention.output.dense",
                "ln1": "attention.output.LayerNorm", "up": "intermediate.dense",
                "down": "output.dense", "ln2": "output.LayerNorm"}
        for i in range(L):
            for k, v in part.items():
                names["layer.%d.%s" % (i, k)] = "bert.encoder.layer.%d.%s" % (i, v)
        state = {}
        for k in self.state_dict():
            stem, leaf = k.rsplit(".", 1)
            state[k] = w[names[stem] + "." + leaf]
        self.load_state_dict(state)

    def forward(self, ids, mask):
        T = ids.shape[1]
        x = self.word(ids) + self.pos(torch.arange(T))[None] + self.segment(torch.zeros_like(ids))
        x = self.drop(self.ln(x))
        padded = not self.sdpa or not bool(mask.all())
        bias = (1.0 - mask[:, None, None, :].float()) * -10000.0 if padded else None
        for l in self.layer:
            x = l(x, bias)
        return self.classifier(self.drop(torch.tanh(self.pooler(x[:, 0]))))


def find_blas():
    """(name, set_threads): OpenBLAS with its own threads does not follow torch.set_num_threads."""
    if torch.backends.mkl.is_available():  # linked in: no library of its own, and numpy's is another
        return "MKL", None
    with open("/proc/self/maps") as f:
        libs = set(re.findall(r"(/\S*blas\S*)", f.read()))
    for path in libs:
        lib = ctypes.CDLL(path)
        if hasattr(lib, "openblas_set_num_threads"):
            return "OpenBLAS", lib.openblas_set_num_threads
    if any("libblas" in p for p in libs):
        return "reference BLAS: slow in f32", None
    return "its own BLAS", None


blas, blas_threads = find_blas()


kept = {}


def forget_others(model):
    for k in [k for k in kept if k[0] != model]:
        del kept[k]


def inference_model(folder, variant):
    m = Bert(folder, variant == "sdpa").eval()
    if variant == "traced":
        with torch.inference_mode():
            b = torch.full((1, 16), 1000), torch.ones(1, 16, dtype=torch.long)
            return torch.jit.freeze(torch.jit.trace(m, b))
    if variant.startswith("int8-"):
        torch.backends.quantized.engine = variant[5:]
        from torch.ao.quantization import quantize_dynamic  # on its way out: asked for only here
        return quantize_dynamic(m, {nn.Linear}, dtype=torch.qint8)
    return m


def get(model, variant):
    forget_others(model)
    k = (model, variant)
    if k not in kept:
        # "a+b": an ensemble, one after another
        kept[k] = [inference_model(m if m.startswith("new:") else m + "-f32", variant)
                   for m in model.split("+")]
    if variant.startswith("int8-"):
        torch.backends.quantized.engine = variant[5:]
    return kept[k]


def infer(model, variant, todo, runs):
    ms, first = [], None
    nets = get(model, variant)
    with torch.inference_mode():
        for _ in range(runs):
            t = time.perf_counter()
            for i, (ids, mask) in enumerate(todo):
                for net in nets:
                    z = net(ids, mask)
                if i == 0:
                    first = z
            ms.append((time.perf_counter() - t) * 1e3)
    return ms, first[0].tolist()


def adamw(net):
    how = dict(lr=5e-5, weight_decay=0.01)
    try:  # transformers' choice where the CPU has it
        return torch.optim.AdamW(net.parameters(), fused=True, **how)
    except (TypeError, RuntimeError, ValueError):
        return torch.optim.AdamW(net.parameters(), **how)


def train(model, variant, todo, runs):
    forget_others(model)
    k = (model, "train", variant)
    if k not in kept:
        net = Bert(model + "-f32", variant == "sdpa").train()
        kept[k] = net, adamw(net)
    net, opt = kept[k]
    ms = []
    for _ in range(runs):
        t = time.perf_counter()
        for ids, mask in todo:
            n = len(ids)
            y, z_t = torch.arange(n) % 2, torch.tensor([[0.5, -0.5]]).expand(n, 2)
            z = net(ids, mask)
            kd = F.kl_div(F.log_softmax(z / 2, -1), F.softmax(z_t / 2, -1), reduction="batchmean") * 4
            loss = 0.5 * F.cross_entropy(z, y) + 0.5 * kd
            opt.zero_grad(set_to_none=True)
            loss.backward()
            nn.utils.clip_grad_norm_(net.parameters(), 1.0)
            opt.step()
        ms.append((time.perf_counter() - t) * 1e3)
    return ms, z[0].tolist()


def make_todo(r):
    return [(torch.from_numpy(ids), torch.from_numpy(mask)) for ids, mask in peer.batches(r)]


def run(r, todo):
    torch.set_num_threads(r.threads)
    if blas_threads:
        blas_threads(r.threads)
    what = train if r.mode == "train" else infer
    return what(r.model, r.variant, todo, r.runs)


engines = [e for e in torch.backends.quantized.supported_engines if e not in ("none", "x86")]  # x86: one of them
variants = ["infer-f32 eager", "infer-f32 traced"] + ["infer-int8 int8-" + e for e in engines] + ["train eager"]
if hasattr(F, "scaled_dot_product_attention"):
    variants += ["infer-f32 sdpa", "train sdpa"]
peer.serve("PyTorch %s (%s)" % (torch.__version__, blas), variants, make_todo, run)
