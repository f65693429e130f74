#!/bin/sh
# Makes what the model benchmark needs (kept under $BUILD/bench-models), measures slice by slice, a
# model and a part at a time, into $BUILD/bench-rows.jsonl, and prints the table of all rows there.
# Without options: the whole table, from nothing. With options: these rows, in place of older ones.
# Peers that are looked for: python3 with torch, python3 with onnx (makes the graphs), and python3 with
# onnxruntime or else node with onnxruntime-node. OC_BENCH_PYTHON and NODE_PATH point to others than
# the default ones.
# Usage: bench.sh [--models NAME,...] [--parts PART,...] [other options of bench_models]
set -eu
: "${BUILD:=build/release}"
dir=$BUILD/bench-models
rows=$BUILD/bench-rows.jsonl
data=../shared/data
python=${OC_BENCH_PYTHON:-python3}

models=bert-tiny,tinybert-4l,minilm-6l,bert-pkd-6l,bert-base
trained=tinybert-4l,bert-pkd-6l # of the default models; a step of BERT-base takes a peer a minute
parts=fixed,notes,train,train-notes
n=$# whole=$#
[ "$whole" -gt 0 ] || rm -f "$rows"
while [ "$n" -gt 0 ]; do
    case $1 in
    --models) models=$2 trained=$2 && shift 2 && n=$((n - 2)) ;;
    --parts) parts=$2 && shift 2 && n=$((n - 2)) ;;
    *) set -- "$@" "$1" && shift && n=$((n - 1)) ;;
    esac
done
models=$(echo "$models" | tr , ' ')
trained=$(echo "$trained" | tr , ' ')
parts=$(echo "$parts" | tr , ' ')

# shellcheck disable=SC2086
"$BUILD/tests/bench/make_models" "$dir" $data/bert-vocab/bert-base-uncased-vocab.txt $data/mtsamples/mtsamples.csv $models
[ -e "$dir/notes.ids" ] || echo "bench: no notes under $data/mtsamples: the parts with real lengths are left out" >&2
[ ! -e "$dir/notes.ids" ] || [ -e "$dir/sorted.ids" ] ||
    awk '{ print NF, $0 }' "$dir/notes.ids" | sort -s -k1,1nr | cut -d' ' -f2- >"$dir/sorted.ids"
if "$python" -c 'import onnx, numpy' 2>/dev/null; then
    for m in $models; do
        "$python" tests/bench/make_onnx.py "$dir/$m-f32" "$dir/$m-onnx" || echo "bench: $m has no graphs for ONNX Runtime" >&2
    done
else
    echo "bench: $python has no onnx: no graphs for ONNX Runtime" >&2
fi
"$BUILD/optimclm" bench --doctor >&2 || true

jobs=
for m in $models; do
    for p in $parts; do
        case "$p: $trained " in train*:*" $m "* | [!t]*) jobs="$jobs $m:$p" ;; esac
    done
done
n=0 wrong=0 began=$(date +%s)
for job in $jobs; do
    m=${job%:*} p=${job#*:} n=$((n + 1))
    echo "bench: $n of $(echo "$jobs" | wc -w): $m $p, $(($(date +%s) - began)) s so far (the whole table: an hour or so)" >&2
    "$BUILD/tests/bench/bench_models" --dir "$dir" --models "$m" --parts "$p" --append "$rows" "$@" || wrong=1
done
"$BUILD/tests/bench/bench_models" --print "$rows"
[ "$whole" -gt 0 ] || [ ! -e $data/mtsamples/mtsamples.csv ] || "$BUILD/tests/bench/bench_text" 3
exit $wrong
