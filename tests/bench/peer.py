"""What the Python peers of the model benchmark share: requests, batches, answers.

Protocol: core/measure/peer.h. Needs numpy.
"""
import sys
from collections import namedtuple

import numpy as np

Request = namedtuple("Request", "mode variant model threads runs source count batch length")


def one_line(what):
    return " ".join(str(what).split())


def absent(why):
    print("absent", one_line(why), flush=True)
    sys.exit(1)


def parse(line):
    mode, variant, model, threads, runs, source, count, batch, length = line.split()
    return Request(mode, variant, model, int(threads), int(runs), source, int(count), int(batch), int(length))


def made_id(b, i):
    return 101 if i == 0 else 1000 + (b * 131 + i * 7919) % 29000


def read_notes(source, count, length):
    if source == "fixed":
        return [[made_id(b, i) for i in range(length)] for b in range(count)]
    with open(source) as f:
        return [[int(t) for t in line.split()] for line in f][:count]


def batches(r):
    """(ids, mask), int64 [notes, longest], of each batch."""
    notes = read_notes(r.source, r.count, r.length)
    out = []
    for at in range(0, len(notes), r.batch):
        some = notes[at:at + r.batch]
        T = max(r.length, max(len(n) for n in some))
        ids, mask = np.zeros((2, len(some), T), dtype=np.int64)
        for i, n in enumerate(some):
            ids[i, :len(n)] = n
            mask[i, :len(n)] = 1
        out.append((ids, mask))
    return out


def serve(name, variants, make_todo, run):
    """run(request, todo) gives the times and the first note's logits; todo is kept while it is the same."""
    kept = {}

    def answer(line):
        r = parse(line)
        key = (r.source, r.count, r.batch, r.length)
        if key not in kept:
            kept.clear()
            kept[key] = make_todo(r)
        ms, first = run(r, kept[key])
        return "ok %s ; %s" % (" ".join("%.6f" % m for m in ms), " ".join("%.7g" % z for z in first))

    print("ready", "|".join([one_line(name)] + variants), flush=True)
    for line in sys.stdin:
        try:
            print(answer(line), flush=True)
        except Exception as e:  # a variant that cannot be run is refused; the others go on
            print("no", one_line(e) or type(e).__name__, flush=True)
