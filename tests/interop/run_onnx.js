// Run an exported ONNX model in ONNX Runtime: node run_onnx.js MODEL.onnx INPUT.jsonl
//
// INPUT is what `optimclm predict --ids` reads: one note a line with input_ids and, if wanted,
// attention_mask and token_type_ids. The notes go in as one batch, padded to the longest with id 0
// and mask 0, so that padding is part of what is compared. Prints one JSON array of logits a line.
// onnxruntime-node is found as node finds any module (NODE_PATH). Exit status 77: it is not there.
'use strict';
const fs = require('fs');
let ort;
try {
    ort = require('onnxruntime-node');
} catch (e) {
    console.error('no onnxruntime-node: ' + e.message.split('\n')[0]);
    process.exit(77);
}

async function main() {
    const [model, input] = process.argv.slice(2);
    const notes = fs.readFileSync(input, 'utf8').split('\n').filter(s => s.trim()).map(s => JSON.parse(s));
    const B = notes.length, T = Math.max(...notes.map(n => n.input_ids.length));
    const session = await ort.InferenceSession.create(model, {intraOpNumThreads: 1});
    const rows = {
        input_ids: n => n.input_ids,
        attention_mask: n => n.attention_mask || n.input_ids.map(() => 1),
        token_type_ids: n => n.token_type_ids || n.input_ids.map(() => 0),
    };
    const feeds = {};
    for (const name of session.inputNames) {
        const x = new BigInt64Array(B * T);
        notes.forEach((n, b) => rows[name](n).forEach((v, t) => { x[b * T + t] = BigInt(v); }));
        feeds[name] = new ort.Tensor('int64', x, [B, T]);
    }
    const logits = (await session.run(feeds)).logits;
    const K = logits.dims[1];
    for (let b = 0; b < B; b++)
        console.log(JSON.stringify(Array.from(logits.data.slice(b * K, (b + 1) * K))));
}
main().catch(e => {
    console.error(e.message);
    process.exit(1);
});
