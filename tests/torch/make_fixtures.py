#!/usr/bin/python3
# Makes the files of this folder: what torch.save writes, and what is in them (expected.csv).
# They were made with PyTorch 1.13.1 (Debian 12: python3-torch 1.13.1+dfsg-4) and Python 3.11.2:
#   cd tests/torch && ./make_fixtures.py
# Legacy files name their storages by their addresses: those bytes differ from run to run.
# expected.csv: file,tensor,dtype as safetensors names it,shape,bytes in row-major order as hex.
import collections
import os
import zipfile

import torch

os.chdir(os.path.dirname(os.path.abspath(__file__)))
torch.manual_seed(1)
names = {
    torch.float64: "F64", torch.float32: "F32", torch.float16: "F16", torch.bfloat16: "BF16",
    torch.int64: "I64", torch.int32: "I32", torch.int16: "I16", torch.int8: "I8",
    torch.uint8: "U8", torch.bool: "BOOL",
}
rows = ["file,tensor,dtype,shape,hex"]


def save(name, obj, tensors=None, **how):
    torch.save(obj, name, **how)
    for key, t in (tensors or obj).items():
        if not isinstance(t, torch.Tensor):
            continue
        flat = t.detach().contiguous().reshape(-1)
        raw = flat.view(torch.int16).numpy() if t.dtype == torch.bfloat16 else flat.numpy()
        rows.append(f"{name},{key},{names[t.dtype]},{'x'.join(map(str, t.shape))},{raw.tobytes().hex()}")


def both(name, obj, tensors=None):
    save(name + "-zip.bin", obj, tensors)
    save(name + "-legacy.bin", obj, tensors, _use_new_zipfile_serialization=False)


class Tiny(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.embeddings = torch.nn.Embedding(5, 4)
        self.LayerNorm = torch.nn.LayerNorm(4)
        self.register_buffer("position_ids", torch.arange(6).expand((1, -1)))


state = Tiny().state_dict()  # an OrderedDict with _metadata
both("state", state)
both("types", {str(k): torch.tensor([[1.5, -2.0, 0.1], [3, 0, 1]]).to(k) for k in names})
w = torch.randn(3, 4)
both("views", collections.OrderedDict([
    ("whole", w), ("transposed", w.t()), ("rows", w[1:]), ("columns", w[:, 1:3]),
    ("every_other", w.reshape(-1)[::2]), ("expanded", w[:, :1].expand(3, 5)),
    ("permuted", torch.arange(24).reshape(2, 3, 4).permute(2, 0, 1)),
    ("scalar", w[1, 2]), ("empty", torch.zeros(0, 3)),
]))
both("nested", {"epoch": 3, "lr": 1e-5, "note": "caf\u00e9", "raw": b"\xff\0", "done": True, "none": None,
                "big": 1 << 40, "shape": torch.Size([1, 2]), "list": [1, (2, 3), {"a": -1}],
                "optimizer": {"state": {0: {"step": 1, "exp_avg": torch.zeros(2)}}},
                "state_dict": collections.OrderedDict(weight=w)}, {"weight": w})
both("parameter", {"weight": torch.nn.Parameter(w), "bias": torch.nn.Parameter(torch.zeros(3), False)})
for protocol in (1, 3, 4, 5):
    save(f"protocol{protocol}-zip.bin", state, pickle_protocol=protocol)
    save(f"protocol{protocol}-legacy.bin", state, pickle_protocol=protocol,
         _use_new_zipfile_serialization=False)


def repack(name, source, method=zipfile.ZIP_STORED, zip64=False, add=()):
    """The same records in a zip of another make."""
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(name, "w") as new:
        for record, data in [(i.filename, old.read(i)) for i in old.infolist()] + list(add):
            info = zipfile.ZipInfo(record)
            info.compress_type = method
            with new.open(info, "w", force_zip64=zip64) as f:
                f.write(data)
    rows.extend([name + r[len(source):] for r in rows if r.startswith(source + ",")])


repack("deflated-zip.bin", "state-zip.bin", zipfile.ZIP_DEFLATED)
repack("zip64-zip.bin", "state-zip.bin", zip64=True)
with open("expected.csv", "w") as f:
    f.write("\n".join(rows) + "\n")

# Files that are refused.
torch.save({"q": torch.quantize_per_tensor(w, 0.1, 0, torch.qint8)}, "refused-quantized.bin")
torch.save({"s": torch.eye(3).to_sparse()}, "refused-sparse.bin")
torch.save({"c": torch.zeros(2, dtype=torch.complex64)}, "refused-complex.bin")
torch.save(torch.nn.Linear(2, 2), "refused-module.bin")
torch.save(w, "refused-tensor.bin")
torch.save({"a": 1}, "refused-empty.bin")
torch.jit.save(torch.jit.script(torch.nn.Linear(2, 2)), "refused-script.bin")
repack("refused-big-endian.bin", "refused-tensor.bin", add=[("refused-tensor/byteorder", b"big")])
torch.save({"zeros": torch.zeros(750_000)}, "bomb")
repack("refused-bomb.bin", "bomb", zipfile.ZIP_DEFLATED)
os.remove("bomb")
