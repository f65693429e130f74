"""BERT and DistilBERT for sequence classification in plain PyTorch, in the stock tensor names.

The reference that loading and exporting are compared with. Weights are a dictionary name -> tensor;
no dropout, no padding: one note at a time.
Source: Devlin et al. 2019, Sanh et al. 2019; names as in transformers.
"""
import json
import os
import struct

import torch
import torch.nn.functional as F

BERT = {
    "base": "bert.", "layer": "bert.encoder.layer.%d.", "pool": "bert.pooler.dense",
    "q": "attention.self.query", "k": "attention.self.key", "v": "attention.self.value",
    "o": "attention.output.dense", "ln1": "attention.output.LayerNorm",
    "f1": "intermediate.dense", "f2": "output.dense", "ln2": "output.LayerNorm",
}
DISTILBERT = {
    "base": "distilbert.", "layer": "distilbert.transformer.layer.%d.", "pool": "pre_classifier",
    "q": "attention.q_lin", "k": "attention.k_lin", "v": "attention.v_lin",
    "o": "attention.out_lin", "ln1": "sa_layer_norm",
    "f1": "ffn.lin1", "f2": "ffn.lin2", "ln2": "output_layer_norm",
}


def config(arch, L=2, H=24, A=3, F_=40, V=50, P=32, K=3, act="gelu"):
    """config.json with the stock keys; classes are in id2label."""
    c = {"vocab_size": V, "max_position_embeddings": P,
         "id2label": {str(i): "c%d" % i for i in range(K)}}
    if arch is BERT:
        c.update(model_type="bert", hidden_size=H, num_hidden_layers=L, num_attention_heads=A,
                 intermediate_size=F_, hidden_act=act, type_vocab_size=2, layer_norm_eps=1e-12)
    else:
        c.update(model_type="distilbert", dim=H, n_layers=L, n_heads=A, hidden_dim=F_,
                 activation=act)
    return c


def sizes(arch, c):
    get = lambda bert, distil: c[bert if arch is BERT else distil]
    return (get("num_hidden_layers", "n_layers"), get("hidden_size", "dim"),
            get("num_attention_heads", "n_heads"), get("intermediate_size", "hidden_dim"),
            c["vocab_size"], c["max_position_embeddings"], len(c["id2label"]))


def random_weights(arch, c, seed):
    L, H, A, W, V, P, K = sizes(arch, c)
    g = torch.Generator().manual_seed(seed)
    w = {}

    def put(name, *shape, gain=0.0):
        w[name] = torch.randn(*shape, generator=g) * 0.3 + gain

    def linear(name, n_out, n_in):
        put(name + ".weight", n_out, n_in)
        put(name + ".bias", n_out)

    def norm(name):
        put(name + ".weight", H, gain=1.0)
        put(name + ".bias", H)

    e = arch["base"] + "embeddings."
    put(e + "word_embeddings.weight", V, H)
    put(e + "position_embeddings.weight", P, H)
    if arch is BERT:
        put(e + "token_type_embeddings.weight", 2, H)
    norm(e + "LayerNorm")
    for l in range(L):
        p = arch["layer"] % l
        for k in "qkvo":
            linear(p + arch[k], H, H)
        norm(p + arch["ln1"])
        linear(p + arch["f1"], W, H)
        linear(p + arch["f2"], H, W)
        norm(p + arch["ln2"])
    linear(arch["pool"], H, H)
    linear("classifier", K, H)
    return w


def outputs(arch, c, w, ids):
    """ids: list of token ids of one note -> hidden states [L+1] of [T,H], pooled [H], logits [K]"""
    L, H, A, _, _, _, _ = sizes(arch, c)
    act = {"gelu": F.gelu, "relu": F.relu,
           "gelu_new": lambda x: 0.5 * x * (1 + torch.tanh(
               (2 / torch.pi) ** 0.5 * (x + 0.044715 * x ** 3)))}[
        c["hidden_act" if arch is BERT else "activation"]]
    linear = lambda x, n: F.linear(x, w[n + ".weight"], w[n + ".bias"])
    norm = lambda x, n: F.layer_norm(x, (H,), w[n + ".weight"], w[n + ".bias"], 1e-12)
    heads = lambda x: x.view(len(ids), A, H // A).transpose(0, 1)
    e = arch["base"] + "embeddings."
    x = w[e + "word_embeddings.weight"][ids] + w[e + "position_embeddings.weight"][:len(ids)]
    if arch is BERT:
        x = x + w[e + "token_type_embeddings.weight"][0]
    x = norm(x, e + "LayerNorm")
    hidden = [x]
    for l in range(L):
        p = arch["layer"] % l
        q, k, v = (heads(linear(x, p + arch[n])) for n in "qkv")
        s = torch.softmax(q @ k.transpose(1, 2) / (H // A) ** 0.5, -1) @ v
        y = norm(x + linear(s.transpose(0, 1).reshape(len(ids), H), p + arch["o"]),
                 p + arch["ln1"])
        x = norm(y + linear(act(linear(y, p + arch["f1"])), p + arch["f2"]), p + arch["ln2"])
        hidden.append(x)
    pooled = linear(x[0], arch["pool"])
    pooled = torch.tanh(pooled) if arch is BERT else torch.relu(pooled)
    return hidden, pooled, linear(pooled, "classifier")


def logits(arch, c, w, ids):
    return outputs(arch, c, w, ids)[2]


def padded(arch, c, w, notes):
    """A batch as transformers returns it, padded to the longest: a reference for `verify`"""
    T = max(map(len, notes))
    pad = lambda t: F.pad(t, (0, 0, 0, T - t.shape[0]), value=7.0)
    out = [outputs(arch, c, w, n) for n in notes]
    states = {"hidden_states.%d" % i: torch.stack([pad(o[0][i]) for o in out])
              for i in range(len(out[0][0]))}
    return {"input_ids": torch.tensor([n + [0] * (T - len(n)) for n in notes]),
            "attention_mask": torch.tensor([[1] * len(n) + [0] * (T - len(n)) for n in notes]),
            **states, "pooler_output": torch.stack([o[1] for o in out]),
            "logits": torch.stack([o[2] for o in out])}


def write_safetensors(path, tensors):
    names = {torch.float32: "F32", torch.float16: "F16", torch.bfloat16: "BF16",
             torch.float64: "F64", torch.int32: "I32", torch.int64: "I64"}
    head, data = {}, b""
    for name, t in tensors.items():
        t = t.contiguous()
        raw = (t.view(torch.int16) if t.dtype is torch.bfloat16 else t).numpy().tobytes()
        head[name] = {"dtype": names[t.dtype], "shape": list(t.shape),
                      "data_offsets": [len(data), len(data) + len(raw)]}
        data += raw
    text = json.dumps(head).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as f:
        f.write(struct.pack("<Q", len(text)) + text + data)


def write_folder(path, c, files):
    """files: name -> function(path) that writes it; a vocabulary of V words comes with them."""
    os.makedirs(path)
    with open(os.path.join(path, "config.json"), "w") as f:
        json.dump(c, f)
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    words += ["w%d" % i for i in range(c["vocab_size"] - len(words))]
    with open(os.path.join(path, "vocab.txt"), "w") as f:
        f.write("\n".join(words) + "\n")
    for name, write in files.items():
        write(os.path.join(path, name))
