#!/bin/sh
# Makes what the model benchmark needs (kept under $BUILD/bench-models) and runs it.
# Peers that are looked for: python3 with torch, python3 with onnx (makes the graphs), and node with
# onnxruntime-node. OC_BENCH_PYTHON and NODE_PATH point to others than the default ones.
# Usage: bench.sh [bench_models' options]
set -eu
: "${BUILD:=build/release}"
dir=$BUILD/bench-models
data=../shared/data
python=${OC_BENCH_PYTHON:-python3}

names=
want=
for word in "$@"; do
    [ "$want" != --models ] || names="$names $(echo "$word" | tr , ' ')"
    if [ "$want" = --parts ]; then case $word in *paper*) names="$names tinybert-4l bert-base" ;; esac; fi
    want=$word
done
case $names in
'') names='bert-tiny tinybert-4l minilm-6l bert-pkd-6l' ;;
esac
# shellcheck disable=SC2086
"$BUILD/tests/bench/make_models" "$dir" $data/bert-vocab/bert-base-uncased-vocab.txt $data/mtsamples/mtsamples.csv $names
[ -e "$dir/notes.ids" ] || echo "bench: no notes under $data/mtsamples: the parts with real lengths are left out"
[ ! -e "$dir/notes.ids" ] || [ -e "$dir/sorted.ids" ] ||
    awk '{ print NF, $0 }' "$dir/notes.ids" | sort -s -k1,1nr | cut -d' ' -f2- >"$dir/sorted.ids"
if "$python" -c 'import onnx, numpy' 2>/dev/null; then
    for n in $names; do "$python" tests/bench/make_onnx.py "$dir/$n-f32" "$dir/$n-onnx"; done
else
    echo "bench: $python has no onnx: no graphs for ONNX Runtime"
fi
"$BUILD/optimclm" bench --doctor || true
[ ! -e $data/mtsamples/mtsamples.csv ] || "$BUILD/tests/bench/bench_text" 3
exec "$BUILD/tests/bench/bench_models" --dir "$dir" "$@"
