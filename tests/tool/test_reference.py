# SPDX-License-Identifier: MIT
"""The tool against figures that are not ours: greedy continuations, token ids, logits."""
import json
import os

from harness import EXPAND, ToolTest, call, main, nmse, read_logits, shared, skald, temp

VOCABULARIES = ["deepseek-coder", "deepseek-llm", "gpt-2", "llama-bpe", "llama-spm", "mpt", "phi-3",
                "qwen2"]

# Tolerances as in ../shared/golden/README.md.
ENCODERS = {"bert": 1e-6, "bert-rank": 1e-6, "gemma-embedding-dense": 1e-7, "jina-bert-v2": 1e-6,
            "modern-bert": 3e-6, "nomic-bert-moe": 3e-7, "neo-bert": 1e-9, "t5encoder": 3e-5}
GOLDEN = {
    "llama-dense": 1e-8, "llama-moe": 1e-8, "qwen2-dense": 1e-8, "qwen3-dense": 1e-8,
    "qwen3moe-moe": 1e-8,
    "llama-linear": 1e-9, "llama-yarn-attn": 3e-9, "llama-oldlinear": 1e-9, "llama-keylen": 1e-9,
    "llama-odd7": 1e-9, "llama-tied": 1e-9, "qwen2-linear": 1e-9, "qwen2-fusedqkv": 1e-9,
    "qwen2-odd7": 1e-9, "qwen3-odd5": 1e-9,
    "v-llama-lin-yattnf": 1e-6, "v-llama-moe-wscale": 1e-6, "v-llama-yarn": 1e-6,
    "v-llama-yarn-beta": 1e-6, "v-llama-yarn-ext0": 1e-6, "v-llama-yarn-lm": 1e-6,
    "llama-f16": 3e-6,
}
QUANTISED = {"q-llama-q4_k_m": 3e-3, "q-llama-q8_0": 3e-3, "q-llama-iq4_xs": 3e-3,
             "q-llama-q4_0": 3e-3}


class Greedy(ToolTest):
    def test_greedy(self):
        with open(shared("models", "greedy.json")) as file:
            cases = json.load(file)["cases"]
        files = {"stories260K-f32.gguf": "stories260K.gguf"}
        checked = 0
        for case in cases:
            path = shared("models") + "/" + files.get(case["model"], case["model"])
            if not os.path.exists(path):
                continue  # those of wide256 are quantised: a near tie may fall to the other side
            words = ["run", path, "-p", case["prompt"], "--temp", "0", "-n",
                     len(case["greedy_ids"])]
            with self.subTest(model=case["model"], prompt=case["prompt"]):
                found = json.loads(self.good(skald(*words, "--json")))
                self.assertEqual(found["tokens"], case["greedy_ids"])
                self.assertEqual(self.good(skald(*words)).decode(), case["greedy_text"])
                checked += 1
        self.assertGreaterEqual(checked, 15)


class Vocabularies(ToolTest):
    def test_expected_ids(self):
        for name in VOCABULARIES:
            path = shared("vocab", "ggml-vocab-%s.gguf" % name)
            with open(path + ".inp", "rb") as file:
                texts = file.read().split(b"\n__ggml_vocab_test__\n")
            with open(path + ".out") as file:
                wanted = [line.split() for line in file.read().splitlines()]
            with self.subTest(vocabulary=name):
                out = self.good(skald("tokenize", path, "--nul",
                                      stdin=b"".join(text + b"\0" for text in texts[:len(wanted)])))
                found = [line.split() for line in out.decode().splitlines()]
                for text, ids, expected in zip(texts, found, wanted):
                    self.assertEqual(ids, expected, text)
                self.assertEqual(len(found), len(wanted))
                self.check_back(path, texts, out)

    def check_back(self, path, texts, ids):
        out = self.good(skald("detokenize", path, "--nul", stdin=ids))
        for text, back in zip(texts, out.split(b"\0")):
            self.assertEqual(back, text)

    def test_lines(self):
        path = shared("vocab", "ggml-vocab-llama-spm.gguf")
        with open(path + ".inp", "rb") as file:
            texts = file.read().split(b"\n__ggml_vocab_test__\n")
        with open(path + ".out") as file:
            wanted = [line.split() for line in file.read().splitlines()]
        pairs = [(text, ids) for text, ids in zip(texts, wanted) if b"\n" not in text]
        self.assertGreater(len(pairs), 30)
        out = self.good(skald("tokenize", path, "--lines",
                              stdin=b"".join(text + b"\n" for text, _ in pairs)))
        self.assertEqual([line.split() for line in out.decode().splitlines()],
                         [ids for _, ids in pairs])


class Golden(ToolTest):
    def compare(self, model, reference, bound):
        path = temp("out.logits")
        self.good(skald("logits", model, "--like", reference, "-o", path))
        wanted, found = read_logits(reference), read_logits(path)
        self.assertEqual(found[:2], wanted[:2])
        self.assertLess(nmse(wanted[2], found[2]), bound)

    def test_headers(self):
        for name, bound in (*GOLDEN.items(), *ENCODERS.items()):
            with self.subTest(model=name):
                model = temp("golden.gguf")
                result = call(EXPAND, shared("golden", name + ".head.gguf"), model)
                self.assertEqual(result.code, 0, result.complaint)
                self.compare(model, shared("golden", name + ".logits"), bound)
                if name == "llama-f16":
                    self.compare(model, shared("golden", name + ".exact.logits"), 1e-8)

    def test_quantised(self):
        for name, bound in QUANTISED.items():
            for kind in (".logits", ".exact.logits"):
                with self.subTest(model=name, kind=kind):
                    self.compare(shared("golden", name + ".gguf"), shared("golden", name + kind),
                                 bound)


if __name__ == "__main__":
    main()
