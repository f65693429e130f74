// ONNX Runtime in the model benchmark, through onnxruntime-node. Protocol: core/measure/peer.h.
// Graphs: MODEL-onnx/VARIANT.onnx, made by make_onnx.py; its own optimizations at level "all".
'use strict';
const fs = require('fs');
const readline = require('readline');

let ort, version = '';
try {
    ort = require('onnxruntime-node');
    version = require('onnxruntime-node/package.json').version;
} catch (e) {
    console.log('absent ' + (version ? '' : 'node finds no onnxruntime-node'));
    process.exit(1);
}

const kept = new Map();
let work = {key: '', todo: []};

function madeId(b, i) {
    return i === 0 ? 101 : 1000 + (b * 131 + i * 7919) % 29000;
}

function readNotes(source, count, length) {
    if (source === 'fixed')
        return Array.from({length: count}, (_, b) => Array.from({length}, (_, i) => madeId(b, i)));
    const lines = fs.readFileSync(source, 'utf8').split('\n').filter((l) => l);
    return lines.slice(0, count).map((l) => l.split(' ').map(Number));
}

function batches(source, count, batch, length) {
    const notes = readNotes(source, count, length), out = [];
    for (let at = 0; at < notes.length; at += batch) {
        const some = notes.slice(at, at + batch), B = some.length;
        const T = Math.max(length, ...some.map((n) => n.length));
        const ids = new BigInt64Array(B * T), mask = new BigInt64Array(B * T);
        some.forEach((n, b) => n.forEach((id, i) => {
            ids[b * T + i] = BigInt(id);
            mask[b * T + i] = 1n;
        }));
        const types = new BigInt64Array(B * T);
        out.push({
            input_ids: new ort.Tensor('int64', ids, [B, T]),
            attention_mask: new ort.Tensor('int64', mask, [B, T]),
            token_type_ids: new ort.Tensor('int64', types, [B, T]),
        });
    }
    return out;
}

async function session(model, variant, threads) {
    const key = [model, variant, threads].join(' ');
    for (const [k, s] of kept) {
        if (k.split(' ')[0] !== model || Number(k.split(' ')[2]) !== threads) {
            kept.delete(k);
            await s.release();
        }
    }
    if (!kept.has(key))
        kept.set(key, await ort.InferenceSession.create(`${model}-onnx/${variant}.onnx`, {
            intraOpNumThreads: threads,
            interOpNumThreads: 1,
            executionMode: 'sequential',
            graphOptimizationLevel: 'all',
            logSeverityLevel: 3,
        }));
    return kept.get(key);
}

async function answer(words) {
    const [mode, variant, model, threads, runs, source, count, batch, length] = words;
    if (mode !== 'infer')
        throw new Error('ONNX Runtime does not train here');
    const key = words.slice(5).join(' ');
    if (work.key !== key)
        work = {key, todo: batches(source, Number(count), Number(batch), Number(length))};
    const s = await session(model, variant, Number(threads));
    const name = s.outputNames[0], ms = [];
    let first = null;
    for (let r = 0; r < Number(runs); r++) {
        const from = process.hrtime.bigint();
        for (let i = 0; i < work.todo.length; i++) {
            const out = await s.run(work.todo[i]);
            if (i === 0)
                first = out[name].data;
        }
        ms.push(Number(process.hrtime.bigint() - from) / 1e6);
    }
    return 'ok ' + ms.map((m) => m.toFixed(6)).join(' ') + ' ; ' +
        Array.from(first.slice(0, 2)).map((z) => z.toPrecision(7)).join(' ');
}

async function main() {
    console.log(`ready ONNX Runtime ${version}|infer-f32 f32-plain|infer-f32 f32-fused|` +
        'infer-int8 int8-plain|infer-int8 int8-fused');
    for await (const line of readline.createInterface({input: process.stdin})) {
        let reply;
        try {
            reply = await answer(line.trim().split(' '));
        } catch (e) {
            reply = 'no ' + String(e.message).replace(/\n/g, ' ');
        }
        console.log(reply);
    }
}

main();
