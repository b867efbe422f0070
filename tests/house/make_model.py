# SPDX-License-Identifier: MIT
"""Writes a small random GGUF model for the tests that need a running library and no trained one.

    make_model.py KIND OUT.gguf

The bytes depend on KIND alone. It is written from the format's description and shares no code
with the library's own reader or writer.

    tiny   llama, one layer, F32 and Q8_0: loads in a blink, for walks over every allocation
    mixed  llama, grouped heads, a different tensor type in nearly every matrix
    moe    qwen3moe, experts, tied embeddings, quantised
    lora   no model, but an adapter for tiny
"""

import random
import struct
import sys

MAGIC_VERSION = (b"GGUF", 3)
U32, F32, BOOL, STRING, ARRAY, I32 = 4, 6, 7, 8, 9, 5

# name: (id, elements per block, bytes per block, offsets of f16 scales in a block)
TYPES = {
    "F32": (0, 1, 4, ()), "F16": (1, 1, 2, ()), "BF16": (30, 1, 2, ()),
    "Q4_0": (2, 32, 18, (0,)), "Q4_1": (3, 32, 20, (0, 2)), "Q5_0": (6, 32, 22, (0,)),
    "Q5_1": (7, 32, 24, (0, 2)), "Q8_0": (8, 32, 34, (0,)),
    "Q2_K": (10, 256, 84, (80, 82)), "Q3_K": (11, 256, 110, (108,)),
    "Q4_K": (12, 256, 144, (0, 2)), "Q5_K": (13, 256, 176, (0, 2)), "Q6_K": (14, 256, 210, (208,)),
    "IQ4_NL": (20, 32, 18, (0,)), "IQ4_XS": (23, 256, 136, (0,)), "IQ2_XXS": (16, 256, 66, (0,)),
    "IQ3_S": (21, 256, 110, (0,)), "TQ2_0": (35, 256, 66, (64,)),
}


def f16(value):
    return struct.pack("<e", value)


def bf16(value):
    return struct.pack("<f", value)[2:]


class Writer:
    def __init__(self, seed):
        self.random, self.metadata, self.tensors = random.Random(seed), [], []

    def string(self, text):
        data = text if isinstance(text, bytes) else text.encode()
        return struct.pack("<Q", len(data)) + data

    def value(self, kind, value):
        if kind == STRING:
            return self.string(value)
        return struct.pack({U32: "<I", I32: "<i", F32: "<f", BOOL: "<B"}[kind], value)

    def put(self, key, kind, value):
        self.metadata.append(self.string(key) + struct.pack("<I", kind) + self.value(kind, value))

    def array(self, key, kind, values):
        self.metadata.append(self.string(key) + struct.pack("<IIQ", ARRAY, kind, len(values)) +
                             b"".join(self.value(kind, v) for v in values))

    def weights(self, kind, n):
        """`n` random weights: floats around 0, or blocks of random codes with small scales."""
        _, elements, size, scales = TYPES[kind]
        if elements == 1:
            pack = {"F32": lambda x: struct.pack("<f", x), "F16": f16, "BF16": bf16}[kind]
            return b"".join(pack(self.random.gauss(0, 0.08)) for _ in range(n))
        blocks = []
        for _ in range(n // elements):
            block = bytearray(self.random.getrandbits(8 * size).to_bytes(size, "little"))
            for offset in scales:
                block[offset:offset + 2] = f16(self.random.uniform(0.2, 1) * 2.0 ** -9)
            blocks.append(bytes(block))
        return b"".join(blocks)

    def tensor(self, name, kind, *shape):
        n = 1
        for dimension in shape:
            n *= dimension
        self.tensors.append((name, TYPES[kind][0], shape, self.weights(kind, n)))

    def norm(self, name, n):
        data = b"".join(struct.pack("<f", self.random.uniform(0.8, 1.2)) for _ in range(n))
        self.tensors.append((name, 0, (n,), data))

    def write(self, path):
        magic, version = MAGIC_VERSION
        head = magic + struct.pack("<IQQ", version, len(self.tensors), len(self.metadata))
        head += b"".join(self.metadata)
        offset, body = 0, []
        for name, kind, shape, data in self.tensors:
            head += self.string(name) + struct.pack("<I", len(shape))
            head += struct.pack("<%dQ" % len(shape), *shape) + struct.pack("<IQ", kind, offset)
            padded = data + b"\0" * (-len(data) % 32)
            body.append(padded)
            offset += len(padded)
        with open(path, "wb") as file:
            file.write(head + b"\0" * (-len(head) % 32) + b"".join(body))


def pieces():
    """A small SentencePiece vocabulary: (text, score, type)."""
    found = [("<unk>", 0.0, 2), ("<s>", 0.0, 3), ("</s>", 0.0, 3)]
    found += [("<0x%02X>" % byte, 0.0, 6) for byte in range(256)]
    words = ["\u2581", "e", "t", "a", "o", "n", "i", "h", "s", "r", "d", "l", "u", "w", "m", "c",
             "g", "y", "f", "p", ".", ",", "\u2581t", "he", "\u2581a", "in", "\u2581the", "on", "er",
             "\u2581w", "\u2581s", "nd", "\u2581and", "ce", "\u2581upon", "\u2581u", "po", "\u00e9", "\u20ac"]
    return found + [(word, -float(rank), 1) for rank, word in enumerate(words)]


def common(w, arch, vocab, n_embd, n_layer, n_ff, n_head, n_head_kv, n_vocab):
    """Metadata of a dense or sparse transformer and, if `vocab`, its tokeniser."""
    w.put("general.architecture", STRING, arch)
    w.put("general.name", STRING, "random " + arch)
    for key, value in (("context_length", 512), ("embedding_length", n_embd),
                       ("block_count", n_layer), ("feed_forward_length", n_ff),
                       ("attention.head_count", n_head), ("attention.head_count_kv", n_head_kv)):
        w.put("%s.%s" % (arch, key), U32, value)
    w.put(arch + ".attention.layer_norm_rms_epsilon", F32, 1e-5)
    w.put(arch + ".rope.freq_base", F32, 10000.0)
    if not vocab:
        w.put(arch + ".vocab_size", U32, n_vocab)
        return
    tokens = pieces()
    tokens += [("<fill%d>" % i, -1000.0, 5) for i in range(n_vocab - len(tokens))]
    w.put("tokenizer.ggml.model", STRING, "llama")
    w.array("tokenizer.ggml.tokens", STRING, [t[0] for t in tokens])
    w.array("tokenizer.ggml.scores", F32, [t[1] for t in tokens])
    w.array("tokenizer.ggml.token_type", I32, [t[2] for t in tokens])
    for key, token in (("bos", 1), ("eos", 2), ("unknown", 0)):
        w.put("tokenizer.ggml.%s_token_id" % key, U32, token)


def dense(w, n_embd, n_layer, n_ff, n_head, n_head_kv, n_vocab, kind):
    """A llama; kind(role, layer) names the type of each matrix."""
    n_kv = n_embd // n_head * n_head_kv
    common(w, "llama", True, n_embd, n_layer, n_ff, n_head, n_head_kv, n_vocab)
    w.put("llama.rope.dimension_count", U32, n_embd // n_head)
    w.tensor("token_embd.weight", kind("token_embd", 0), n_embd, n_vocab)
    for layer in range(n_layer):
        block = "blk.%d." % layer
        w.norm(block + "attn_norm.weight", n_embd)
        w.norm(block + "ffn_norm.weight", n_embd)
        for role, n_in, n_out in (("attn_q", n_embd, n_embd), ("attn_k", n_embd, n_kv),
                                  ("attn_v", n_embd, n_kv), ("attn_output", n_embd, n_embd),
                                  ("ffn_gate", n_embd, n_ff), ("ffn_up", n_embd, n_ff),
                                  ("ffn_down", n_ff, n_embd)):
            w.tensor(block + role + ".weight", kind(role, layer), n_in, n_out)
    w.norm("output_norm.weight", n_embd)
    w.tensor("output.weight", kind("output", 0), n_embd, n_vocab)


def tiny(w):
    dense(w, 32, 1, 64, 2, 1, 304, lambda role, layer: "Q8_0" if role == "ffn_up" else "F32")


def mixed(w):
    kinds = {("attn_q", 0): "Q4_K", ("attn_k", 0): "Q6_K", ("attn_v", 0): "Q5_0",
             ("attn_output", 0): "Q8_0", ("ffn_gate", 0): "Q4_0", ("ffn_up", 0): "Q3_K",
             ("ffn_down", 0): "F16", ("attn_q", 1): "BF16", ("attn_k", 1): "Q4_1",
             ("attn_v", 1): "F32", ("attn_output", 1): "Q5_K", ("ffn_gate", 1): "Q2_K",
             ("ffn_up", 1): "Q5_1", ("ffn_down", 1): "Q6_K", ("attn_q", 2): "IQ4_NL",
             ("attn_k", 2): "IQ4_XS", ("attn_v", 2): "IQ3_S", ("attn_output", 2): "TQ2_0",
             ("ffn_gate", 2): "IQ2_XXS", ("ffn_up", 2): "Q8_0", ("ffn_down", 2): "Q4_K",
             ("token_embd", 0): "Q8_0", ("output", 0): "Q6_K"}
    dense(w, 256, 3, 256, 8, 2, 320, lambda role, layer: kinds[role, layer])


def moe(w):
    n_embd, n_head, n_head_kv, head, n_expert, n_ff, n_vocab = 64, 4, 2, 32, 8, 32, 320
    common(w, "qwen3moe", False, n_embd, 2, 128, n_head, n_head_kv, n_vocab)
    for key, value in (("expert_count", n_expert), ("expert_used_count", 2),
                       ("expert_feed_forward_length", n_ff), ("attention.key_length", head),
                       ("attention.value_length", head)):
        w.put("qwen3moe." + key, U32, value)
    w.tensor("token_embd.weight", "Q8_0", n_embd, n_vocab)
    for layer in range(2):
        block = "blk.%d." % layer
        for role, n in (("attn_norm", n_embd), ("ffn_norm", n_embd), ("attn_q_norm", head),
                        ("attn_k_norm", head)):
            w.norm(block + role + ".weight", n)
        w.tensor(block + "attn_q.weight", "Q8_0", n_embd, n_head * head)
        w.tensor(block + "attn_k.weight", "Q4_0", n_embd, n_head_kv * head)
        w.tensor(block + "attn_v.weight", "F16", n_embd, n_head_kv * head)
        w.tensor(block + "attn_output.weight", "Q5_1", n_head * head, n_embd)
        w.tensor(block + "ffn_gate_inp.weight", "F32", n_embd, n_expert)
        w.tensor(block + "ffn_gate_exps.weight", "Q4_0", n_embd, n_ff, n_expert)
        w.tensor(block + "ffn_up_exps.weight", "Q8_0", n_embd, n_ff, n_expert)
        w.tensor(block + "ffn_down_exps.weight", "Q5_0", n_ff, n_embd, n_expert)
    w.norm("output_norm.weight", n_embd)


def lora(w, matrices=(("blk.0.attn_q", 32, 32), ("blk.0.ffn_up", 32, 64), ("output", 32, 304)),
         arch="llama", rank=4):
    """Low-rank companions of a model's matrices, loud enough to change its words."""
    w.put("general.type", STRING, "adapter")
    w.put("general.architecture", STRING, arch)
    w.put("adapter.type", STRING, "lora")
    w.put("adapter.lora.alpha", F32, 64.0 * rank)
    for name, n_in, n_out in matrices:
        w.tensor(name + ".weight.lora_a", "F32", n_in, rank)
        w.tensor(name + ".weight.lora_b", "F16", rank, n_out)


def main():
    kind, path = sys.argv[1:3]
    writer = Writer("skald " + kind)
    {"tiny": tiny, "mixed": mixed, "moe": moe, "lora": lora}[kind](writer)
    writer.write(path)


if __name__ == "__main__":
    main()
