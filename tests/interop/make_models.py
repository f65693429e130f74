"""Model folders as the field publishes them, each with expected.safetensors: the f32 weights under
their stock names (w/NAME), notes (ids, start) and the reference's logits, and beside it a .reference
for `verify`. Usage: make_models.py DIR"""
import json
import os
import sys

import torch

import reference as R

NOTES = [[2, 7, 9, 11, 3], [2, 3], [2] + list(range(5, 35 - 5)) + [3]]


def shards(w, ext):
    """Two files and their index."""
    names = sorted(w)
    parts = [names[:len(names) // 3], names[len(names) // 3:]]
    stem = {"bin": "pytorch_model", "safetensors": "model"}[ext]
    file = lambda i: "%s-%05d-of-00002.%s" % (stem, i + 1, ext)
    save = torch.save if ext == "bin" else (lambda t, p: R.write_safetensors(p, t))
    out = {file(i): (lambda p, part=part: save({n: w[n] for n in part}, p))
           for i, part in enumerate(parts)}
    index = {"metadata": {}, "weight_map": {n: file(i) for i, part in enumerate(parts) for n in part}}
    out["%s.%s.index.json" % (stem, ext)] = lambda p: open(p, "w").write(json.dumps(index))
    return out


def one(name, write):
    return {name: write}


def st(w):
    return one("model.safetensors", lambda p: R.write_safetensors(p, w))


def renamed(w, f):
    return {f(n): t for n, t in w.items()}


def old_norms(n):
    return n.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta")


def cases(arch, w):
    """name -> (files, dtype the weights were rounded to)"""
    bare = lambda n: n[len(arch["base"]):] if n.startswith(arch["base"]) else n
    strays = {"cls.predictions.bias": torch.zeros(4),
              "fit_denses.0.weight": torch.zeros(3, 3)} if arch is R.BERT else \
             {"vocab_projector.bias": torch.zeros(4), "qa_outputs.weight": torch.zeros(2, 3)}
    strays[arch["base"] + "embeddings.position_ids"] = torch.arange(8)
    yield "f32", st(w), None
    yield "bare", st(renamed(w, bare)), None
    yield "module", st(renamed(w, lambda n: "module." + n)), None
    yield "gamma-beta", st(renamed(w, old_norms)), None
    yield "strays", st({**w, **strays}), None
    yield "sharded", shards(w, "safetensors"), None
    for t in (torch.float16, torch.bfloat16, torch.float64):
        yield str(t)[6:], st({n: v.to(t) for n, v in w.items()}), t
    bin_ = "pytorch_model.bin"
    yield "bin-zip", one(bin_, lambda p: torch.save(w, p)), None
    yield "bin-legacy", one(bin_, lambda p: torch.save(
        renamed(w, lambda n: bare(old_norms(n))), p, _use_new_zipfile_serialization=False)), None
    yield "bin-half", one(bin_, lambda p: torch.save(
        {n: v.half() for n, v in w.items()}, p)), torch.float16
    yield "bin-sharded", shards(w, "bin"), None


def main(root):
    for arch, kind in ((R.BERT, "bert"), (R.DISTILBERT, "distilbert")):
        for act in ("gelu", "gelu_new", "relu"):
            c = R.config(arch, act=act)
            w = R.random_weights(arch, c, seed=7)
            for name, files, dtype in cases(arch, w):
                if act != "gelu" and name != "f32":
                    continue
                path = os.path.join(root, "%s-%s-%s" % (kind, act, name))
                R.write_folder(path, c, files)
                f32 = {n: t.to(dtype).float() if dtype else t for n, t in w.items()}
                start = [0]
                for n in NOTES:
                    start.append(start[-1] + len(n))
                R.write_safetensors(path + ".reference", R.padded(arch, c, f32, NOTES))
                R.write_safetensors(path + ".expected", {
                    "ids": torch.tensor(sum(NOTES, []), dtype=torch.int32),
                    "start": torch.tensor(start, dtype=torch.int32),
                    "logits": torch.stack([R.logits(arch, c, f32, n) for n in NOTES]),
                    **{"w/" + n: t for n, t in f32.items()}})


main(sys.argv[1])
