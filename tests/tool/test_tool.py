# SPDX-License-Identifier: MIT
"""The command-line tool on random models: its manners, and that its subcommands agree."""
import fcntl
import json
import os
import pty
import re
import select
import shutil
import signal
import subprocess
import termios
import threading
import time

from harness import RANDOM_MODEL, TOOL, ToolTest, call, control_vector, lora, main, nmse, random_model, \
    read_logits, shared, skald, small_model, temp

COMMANDS = ["run", "tokenize", "detokenize", "logits", "embed", "inspect", "perplexity", "bench", "options",
            "template", "chat"]
TYPES = ["F32", "F16", "BF16", "Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0", "Q2_K", "Q3_K", "Q4_K",
         "Q5_K", "Q6_K", "IQ2_XXS", "IQ2_XS", "IQ2_S", "IQ3_XXS", "IQ3_S", "IQ1_S", "IQ4_NL",
         "IQ4_XS", "TQ1_0", "TQ2_0", "MXFP4", "Q4_K_M"]
TEXT = "the quick brown fox jumps over the lazy dog"


class CommandLine(ToolTest):
    def test_help(self):
        for name in COMMANDS:
            for words in ([name, "--help"], [name, "-h"], ["help", name]):
                out = self.good(skald(*words)).decode()
                self.assertTrue(out.startswith("usage: skald %s " % name), out)
                self.assertIn("--set KEY=VALUE", out)
        for word in ("help", "--help", "-h"):
            out = self.good(skald(word)).decode()
            for name in COMMANDS:
                self.assertIn("\n  %s " % name, out)

    def test_version(self):
        with open(os.path.join(os.path.dirname(__file__), "../../include/skald.h")) as file:
            header = file.read()
        parts = [line.split()[2] for line in header.splitlines()
                 if line.startswith(("#define SKALD_VERSION_", "#define SKALD_ABI_VERSION",
                                     "#define SKALD_NUMERIC_VERSION"))]
        wanted = "skald %s.%s.%s (ABI %s, numerics %s)\n" % tuple(parts)
        self.assertEqual(self.good(skald("--version")).decode(), wanted)

    def test_called_wrongly(self):
        model = small_model()
        for words, said in [
            ([], "usage:"),
            (["sing"], "no command 'sing'"),
            (["run"], "which model?"),
            (["run", model, "again"], "'again'"),
            (["run", model, "--colour"], "no option --colour"),
            (["run", model, "-Z"], "no option -Z"),
            (["run", model, "-n"], "wants a value"),
            (["run", model, "--stats=yes"], "takes no value"),
            (["run", model, "-n", "many"], "n_predict"),
            (["run", model, "--temp", "hot"], "temperature"),
            (["run", model, "--top-p", "1.5"], "top_p"),
            (["run", model, "--set", "n_ctxx=5"], "n_ctx"),
            (["run", model, "--set", "n_ctx"], "KEY=VALUE"),
            (["run", model, "-p", "a", "-f", "b"], "one of"),
            (["tokenize", model, "--lines", "--nul"], "one of"),
            (["logits", model, "-o", temp("x")], "one of"),
            (["logits", model, "--tokens", "1"], "--out"),
            (["perplexity", model, "-c", "1"], "from 2 up"),
            (["perplexity", model, "-c", "99999999999999999999"], "whole number"),
            (["bench", model, "-r", "0"], "from 1 up"),
            (["bench", model, "-p", "0", "-n", "0"], "something to measure"),
            (["template"], "which model"),
            (["template", "--file", "x"], "which conversation"),
            (["template", model, "case.json", "--file", "x"], "a model or a file"),
            (["chat", model, "again"], "'again'"),
        ]:
            with self.subTest(words=words):
                self.bad(skald(*words), 2, said)

    def test_failures(self):
        model = small_model()
        junk = temp("junk")
        with open(junk, "wb") as file:
            file.write(b"this is no model" * 100)
        for words, said in [
            (["run", temp("absent.gguf"), "-p", "a"], "absent.gguf"),
            (["run", junk, "-p", "a"], "junk"),
            (["inspect", os.path.dirname(junk)], ""),
            (["run", model, "-f", temp("absent.txt")], "absent.txt"),
            (["run", model, "--tokens", "1 x"], "'x'"),
            (["run", model, "--tokens", "1 100000"], "100000"),
            (["run", model, "--tokens", ""], ""),
            (["run", model, "--tokens", "1 99999999999999999999"], "9999"),
            (["run", model, "-p", TEXT, "-c", "4"], ""),
            (["run", model, "-p", TEXT, "--cpu", "abacus"], "abacus"),
            (["logits", model, "--like", junk, "-o", temp("x")], "junk"),
            (["logits", model, "--tokens", "1 2", "--prefill", "3", "-o", temp("x")], "2 tokens"),
            (["logits", model, "--tokens", "1 2", "-o", temp("no/such/folder")], "no/such"),
            (["perplexity", model, "-f", junk, "-c", "100000"], "fewer"),
            (["detokenize", random_model("--vocab", "none")], ""),
        ]:
            with self.subTest(words=words):
                result = skald(*words, stdin=b"1 2 3")
                self.bad(result, 1, said)
                self.assertTrue(result.complaint.startswith("skald %s: " % words[0]),
                                result.complaint)
                self.assertEqual(result.complaint.count("\n"), 1, result.complaint)
        self.assertFalse(os.path.exists(temp("x")))

    def test_full_disk(self):
        with open("/dev/full", "wb") as full:
            process = subprocess.run([TOOL, "inspect", small_model()], stdout=full,
                                     stderr=subprocess.PIPE)
        self.assertEqual(process.returncode, 1)
        self.assertIn(b"cannot write", process.stderr)

    def test_options(self):
        options = json.loads(self.good(skald("options", "--json")))
        self.assertIn("n_ctx", [option["key"] for option in options])
        table = self.good(skald("options")).decode().splitlines()
        self.assertEqual(len(table), len(options))


class Run(ToolTest):
    def test_same_in_same_out(self):
        words = ["run", small_model(), "-p", TEXT, "-n", "24", "-s", "5"]
        out = self.good(skald(*words))
        self.assertTrue(out)
        for more in ([], ["-t", "1"], ["-t", "3"], ["--cpu", "c"], ["--set", "n_batch=1"],
                     ["--set", "load=read"], ["-c", "200"]):
            self.assertEqual(self.good(skald(*words, *more)), out, more)
        self.assertNotEqual(self.good(skald(*words, "-s", "6")), out)

    def test_adapters(self):
        model = small_model()
        one = lora("one", ("blk.0.attn_q", 64, 64), ("output", 64, 400))
        two = lora("two=", ("blk.1.ffn_down", 96, 64))
        vector = control_vector("vector", 64, 1)
        words = ["run", model, "-p", TEXT, "-n", "24", "--temp", "0"]
        out = self.good(skald(*words))
        worn = self.good(skald(*words, "--lora", one))
        self.assertNotEqual(worn, out)
        self.assertEqual(self.good(skald(*words, "--lora", one + "=1")), worn)
        self.assertEqual(self.good(skald(*words, "--lora", one + "=0")), out)
        half = self.good(skald(*words, "--lora", one + "=0.5", "--lora=" + two))
        self.assertNotIn(half, (out, worn))
        loud = [*words, "--control-vector", vector + "=200"]
        self.assertNotEqual(self.good(skald(*loud)), out)
        self.assertIn("layer_first", skald(*loud, "--set", "layer_first=2").complaint)
        self.assertIn("no.gguf", skald(*words, "--lora", "no.gguf=2").complaint)
        self.assertIn("wanted a number", skald(*words, "--lora", one + "=nan").complaint)
        path, plain = temp("plain.logits"), ["logits", model, "--tokens", "1 5 7"]
        self.good(skald(*plain, "--lora", one, "-o", path))
        with open(path, "rb") as file:
            adapted = file.read()
        self.good(skald(*plain, "-o", path))
        with open(path, "rb") as file:
            self.assertNotEqual(file.read(), adapted)

    def test_prompts(self):
        model, path = small_model(), temp("prompt.txt")
        with open(path, "w") as file:
            file.write(TEXT)
        words = ["run", model, "-n", "8", "--temp", "0"]
        out = self.good(skald(*words, "-p", TEXT))
        self.assertEqual(self.good(skald(*words, stdin=TEXT.encode())), out)
        self.assertEqual(self.good(skald(*words, "-f", path)), out)
        self.assertEqual(self.good(skald(*words, "-f", "-", stdin=TEXT.encode())), out)
        ids = self.good(skald("tokenize", model, "--bos", stdin=TEXT.encode())).decode()
        self.assertEqual(self.good(skald(*words, "--tokens", ids)), out)

    def test_json(self):
        for arch in ("llama", "qwen2"):
            words = ["run", small_model("--arch", arch), "-p", TEXT, "-n", "40"]
            found = json.loads(self.good(skald(*words, "--json")))
            text = self.good(skald(*words))
            ids = [int(word) for word in self.good(skald(*words, "--ids")).split()]
            self.assertEqual(found["text"], text.decode("utf-8", "replace"))
            self.assertEqual(found["tokens"], ids)
            self.assertEqual(found["n_generated"], len(ids))
            self.assertIn(found["stop_reason"], ("length", "end"))

    def test_stop(self):
        words = ["run", small_model(), "-p", TEXT, "-n", "60", "--ignore-eos", "--temp", "0"]
        out = self.good(skald(*words))
        stop = re.search(rb"[a-zA-Z ]{3}", out[6:]).group()
        wanted = out[:out.index(stop)]
        for more in (["--stop", stop.decode()],
                     ["--stop", "\x01 'never\"\\", "--stop", stop.decode()]):
            found = json.loads(self.good(skald(*words, *more, "--json")))
            self.assertEqual(found["text"], wanted.decode("utf-8", "replace"))
            self.assertEqual(found["stop_reason"], "stop")
            self.assertEqual(self.good(skald(*words, *more)), wanted)

    def test_no_vocabulary(self):
        words = ["run", small_model("--vocab", "none"), "--tokens", "1 2,3", "-n", "9"]
        out = self.good(skald(*words)).split()
        self.assertLessEqual(len(out), 9)
        self.assertTrue(all(0 <= int(word) < 400 for word in out))
        self.bad(skald(*words[:2], "-p", TEXT), 1, "")

    def test_context_full(self):
        words = ["run", small_model(), "-p", "a", "-c", "20", "--ignore-eos", "--json"]
        self.assertEqual(json.loads(self.good(skald(*words)))["stop_reason"], "context")

    def test_stats(self):
        result = skald("run", small_model(), "-p", TEXT, "-n", "4", "--stats")
        self.assertEqual(result.code, 0)
        self.assertRegex(result.complaint, r"^prompt \d+ tokens, [\d.]+/s; generated \d tokens")

    def test_terminal(self):
        """Where stderr is a terminal there is progress, and stdout is as clean as ever."""
        words = [TOOL, "run", small_model(), "-p", TEXT, "-n", "8", "--temp", "0"]
        try:
            master, slave = pty.openpty()
        except OSError as error:
            self.skipTest("no terminal to be had: %s" % error)
        process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=slave)
        os.close(slave)
        shown = []

        def listen():
            try:
                while data := os.read(master, 4096):
                    shown.append(data)
            except OSError:
                pass  # the other end was closed

        listener = threading.Thread(target=listen)
        listener.start()
        out = process.communicate(timeout=60)[0]
        listener.join()
        os.close(master)
        self.assertEqual(out, self.good(skald(*words[1:])))
        self.assertIn(b"generated 8 tokens", b"".join(shown))

    def test_interrupt(self):
        """The first Ctrl-C ends generation in good order."""
        words = [TOOL, "run", small_model(), "-p", TEXT, "-c", "200000", "--ignore-eos", "--stats"]
        process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.assertTrue(process.stdout.read(1))
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
        self.assertEqual(process.returncode, 130, err)
        self.assertIn(b"stopped: interrupted", err)


class Grammar(ToolTest):
    def file(self, name, text):
        with open(temp(name), "w", encoding="utf-8") as file:
            file.write(text)
        return temp(name)

    def test_check(self):
        schema = self.file("s.json", '{"type": "array", "items": {"type": "integer"}}')
        grammar = self.file("g.gbnf", 'root ::= "a"+ "b"\n')
        rows = [(("--json-schema", schema), b"[1, 2]", 0), (("--json-schema", schema), b"[1,]", 1),
                (("--json-schema", schema), b"[1]\n", 1), (("--grammar", grammar), b"aab", 0),
                (("--grammar", grammar), b"aa", 1), (("--regex", "a|b+"), b"bb", 0),
                (("--regex", "a|b+"), b"", 1), (("--regex", "("), b"", 2), ((), b"", 2),
                (("--json-schema", temp("none")), b"", 2),
                (("--regex", "a", "--grammar", grammar), b"a", 2),
                (("--json-schema", self.file("r.json", '{"if": {}, "then": {}}')), b"1", 2),
                (("--json-schema", temp("r.json"), "--ignore", "if"), b"1", 0)]
        for words, text, code in rows:
            result = skald("grammar", *words, stdin=text)
            self.assertEqual(result.code, code, (words, text, result.complaint))
            self.assertEqual(result.out, b"")
            self.assertEqual(result.err == b"", code == 0)
        self.assertIn('"if"', skald("grammar", "--json-schema", temp("r.json")).complaint)

    def test_run(self):
        model = random_model()
        schema = self.file("t.json", '{"type": "object", "properties": {"n": {"type": "integer", '
                           '"minimum": 0, "maximum": 9}, "w": {"enum": ["x", "y"]}}, '
                           '"required": ["n", "w"]}')
        for seed in range(5):
            result = skald("run", model, "-p", "a", "-n", "400", "-s", seed, "--json-schema", schema)
            self.assertEqual(result.code, 0, result.complaint)
            value = json.loads(result.text)
            self.assertTrue(0 <= value["n"] <= 9 and value["w"] in "xy")
        result = skald("run", model, "-p", "a", "-n", "9", "--regex", "(")
        self.assertNotEqual(result.code, 0)


class Tokens(ToolTest):
    def round_trip(self, model, text):
        ids = self.good(skald("tokenize", model, stdin=text))
        self.assertEqual(self.good(skald("detokenize", model, stdin=ids)), text)
        return ids

    def test_round_trip(self):
        texts = ["", " ", "\n", "a", TEXT, TEXT + "\n", "  two  spaces ", "caf\u00e9 \u4f60\u597d",
                 "<s>", "\U0001f600\u200d!\r\n\t", "Ab1 22 333"]
        for arch in ("llama", "qwen2"):
            for text in texts:
                with self.subTest(arch=arch, text=text):
                    self.round_trip(small_model("--arch", arch), text.encode())

    def test_any_bytes(self):
        """SPM keeps bytes that are not UTF-8."""
        self.round_trip(small_model(), bytes(range(1, 256)) + b"\xff\xc0\x80\xed\xa0\x80\xf0\x9f")

    def test_shortens(self):
        for arch in ("llama", "qwen2"):
            ids = self.round_trip(random_model(*["--arch", arch, "--shape", "1,32,2,2,32,3000"]),
                                  TEXT.encode())
            self.assertLess(len(ids.split()), len(TEXT))

    def test_special(self):
        model = small_model()
        self.assertEqual(self.good(skald("tokenize", model, "--special", stdin=b"<s>")), b"1\n")
        self.assertNotEqual(self.good(skald("tokenize", model, stdin=b"<s>")), b"1\n")
        self.assertEqual(self.good(skald("tokenize", model, "--bos", stdin=b"")), b"1\n")
        self.assertEqual(self.good(skald("tokenize", model, stdin=b"")), b"\n")
        self.assertIn(b"<s>", self.good(skald("detokenize", model, "--special", stdin=b"1 300")))
        self.assertNotIn(b"<s>", self.good(skald("detokenize", model, stdin=b"1 300")))

    def test_lines(self):
        model, lines = small_model(), [b"one", b"", b" two", b"three"]
        single = [self.good(skald("tokenize", model, stdin=line)) for line in lines]
        for end in (b"", b"\n"):
            out = self.good(skald("tokenize", model, "--lines", stdin=b"\n".join(lines) + end))
            self.assertEqual(out, b"".join(single))
        out = self.good(skald("tokenize", model, "-0", stdin=b"\0".join(lines)))
        self.assertEqual(out, b"".join(single))
        back = self.good(skald("detokenize", model, "--lines", stdin=b"".join(single)))
        self.assertEqual(back, b"\n".join(lines) + b"\n")
        self.assertEqual(self.good(skald("tokenize", model, "--lines", stdin=b"")), b"")


class Embed(ToolTest):
    def test_lines(self):
        """A vector of length 1 for each line, whatever lines are beside it."""
        model = small_model("--arch", "llama")
        lines = ["line %d of some" % i * (i % 5 + 1) for i in range(20)]
        out = self.good(skald("embed", model, stdin="\n".join(lines).encode())).decode()
        vectors = [[float(x) for x in line.split()] for line in out.splitlines()]
        self.assertEqual(len(vectors), 20)
        for vector in vectors:
            self.assertAlmostEqual(sum(x * x for x in vector), 1, places=5)
        alone = self.good(skald("embed", model, "-t", "1", stdin=lines[7].encode())).decode()
        self.assertEqual(alone, out.splitlines()[7] + "\n")
        mean = self.good(skald("embed", model, "--pooling", "mean", stdin=lines[7].encode()))
        self.assertNotEqual(mean.decode(), alone)
        self.assertIn("no head", skald("embed", model, "--query", "q", stdin=b"d").complaint)


class Logits(ToolTest):
    def logits(self, model, *words):
        path = temp("some.logits")
        self.good(skald("logits", model, *words, "-o", path))
        with open(path, "rb") as file:
            data = file.read()
        return path, data

    def test_any_way(self):
        """Threads, batches and the split of a prompt change nothing but the header."""
        for arch in ("llama", "qwen3moe"):
            model = small_model("--arch", arch)
            words = ["--tokens", "1 5 300 7 8 9 3 4 44 10 20"]
            path, whole = self.logits(model, *words)
            n_prefill, tokens, values = read_logits(path)
            self.assertEqual((n_prefill, len(tokens), len(values)), (11, 11, 11 * 400))
            for more in (["-t", "1"], ["-t", "2"], ["-c", "11"], ["-c", "1000"], ["--cpu", "c"]):
                self.assertEqual(self.logits(model, *words, *more)[1], whole)
            for n in (1, 4, 10):
                path, split = self.logits(model, *words, "--prefill", str(n))
                self.assertEqual(split[16:], whole[16:])
                self.assertEqual(self.logits(model, "--like", path)[1], split)

    def test_types(self):
        """Every type that random_model writes gives sane logits; only those of the floats agree."""
        exact, seen = None, []
        for name in TYPES:
            model = random_model("--shape", "1,256,4,2,256,400", "--type", name)
            path, _ = self.logits(model, "--tokens", "1 5 300")
            values = read_logits(path)[2]
            power = sum(v * v for v in values) / len(values)
            self.assertTrue(1e-3 < power < 1e3, "%s: %g" % (name, power))
            if exact and name in ("F16", "BF16"):
                self.assertLess(nmse(exact, values), 1e-3, name)
                continue
            exact = exact or values
            for other in seen:
                self.assertGreater(nmse(other, values), 0.1, name)
            seen.append(values)


class Figures(ToolTest):
    def test_inspect(self):
        model = small_model("--type", "Q8_0")
        text = self.good(skald("inspect", model)).decode()
        for word in ("general.architecture", "blk.1.ffn_down.weight", "96 x 64 x 1 x 1", "Q8_0"):
            self.assertIn(word, text)
        found = json.loads(self.good(skald("inspect", model, "--json")))
        self.assertEqual(found["architecture"], "llama")
        self.assertEqual((found["n_layer"], found["n_embd"], found["n_vocab"]), (2, 64, 400))
        self.assertEqual(found["file_size"], os.path.getsize(model))
        self.assertEqual(sum(t["size"] for t in found["tensors"]), found["tensor_size"])
        values = {entry["key"]: entry["value"] for entry in found["metadata"]}
        self.assertEqual(values["general.name"], "random")
        self.assertEqual(values["llama.block_count"], 2)
        self.assertEqual(values["llama.attention.layer_norm_rms_epsilon"], 9.999999747378752e-06)
        self.assertEqual(len(found["metadata"]), found["n_metadata"])
        self.assertTrue(found["plan"])
        self.assertEqual(self.good(skald("inspect", model, "--plan")).decode().strip(),
                         found["plan"].strip())

    def test_perplexity(self):
        model, text = small_model(), (TEXT * 20).encode()
        words = ["perplexity", model, "-c", "64"]
        found = json.loads(self.good(skald(*words, "--json", stdin=text)))
        n = len(self.good(skald("tokenize", model, "--bos", stdin=text)).split())
        self.assertEqual((found["n_tokens"], found["chunks"]), (n, n // 64))
        self.assertTrue(10 < found["ppl"] < 100000)
        for more in (["-b", "7"], ["-b", "64"], ["-t", "1"]):
            self.assertEqual(json.loads(self.good(skald(*words, *more, "--json", stdin=text))), found)
        self.assertTrue(self.good(skald(*words, stdin=text)).startswith(b"perplexity "))

    def test_bench(self):
        words = ["bench", small_model(), "-p", "16", "-n", "4", "-r", "3"]
        found = json.loads(self.good(skald(*words, "--batch", "3", "--load", "--json")))
        self.assertEqual([(t["test"], t["n_tokens"]) for t in found["tests"]],
                         [("prompt", 16), ("decode", 4), ("batch", 12), ("load", 1)])
        for t in found["tests"]:
            self.assertTrue(0 < t["slowest"] <= t["median"] <= t["fastest"])
        self.assertGreater(found["batch_gain"], 0)
        for t in found["tests"][1:3]:
            self.assertTrue(0 < t["of_limit"] < 1, t)
        self.assertGreater(found["limits"]["read"], 1e8)
        self.assertTrue(0 < found["bytes_per_token"] < found["tensor_size"])
        self.assertEqual(len(self.good(skald(*words)).splitlines()), 4)
        words.append("--no-limits")
        self.assertEqual(len(self.good(skald(*words, "-d", "8", "-n", "0")).splitlines()), 2)

    def test_bench_draft(self):
        words = ["bench", small_model(), "-p", "24", "-n", "40", "-r", "2", "--no-limits", "--draft"]
        found = json.loads(self.good(skald(*words, "--json", "--edit", "9")))
        self.assertEqual([t["test"] for t in found["tests"]], ["prompt", "decode", "repeat", "draft"])
        self.assertGreater(found["draft_gain"], 0)
        self.assertTrue(0 < found["n_accepted"] < found["n_drafted"])
        whole = json.loads(self.good(skald(*words, "--json", "--edit", "0")))
        self.assertEqual(whole["n_accepted"], whole["n_drafted"])
        self.bad(skald(*words, "-p", "0"), 2, "--draft")

    def test_bench_against(self):
        words = ["bench", small_model(), "-p", "16", "-n", "4", "-r", "3", "--no-limits", "--json"]
        self.bad(skald(*words, "--against", temp("absent.so")), 1, "absent.so")
        library = os.environ.get("SKALD_LIBRARY")
        if not library:
            self.skipTest("a sanitizer's library cannot be opened beside itself")
        copy = temp("other.so")
        shutil.copy(library, copy)
        found = json.loads(self.good(skald(*words, "--load", "--against", copy)))
        for t in found["tests"]:
            self.assertTrue(0.01 < t["against"] < 100, t)
            self.assertNotIn("of_limit", t)


class RandomModel(ToolTest):
    def test_same_file(self):
        with open(small_model(), "rb") as file:
            first = file.read()
        again = temp("again.gguf")
        for seed, same in (("1", True), ("2", False)):
            self.good(call(RANDOM_MODEL, again, "--shape", "2,64,4,2,96,400", "--seed", seed))
            with open(again, "rb") as file:
                self.assertEqual(file.read() == first, same)

    def test_called_wrongly(self):
        for words in ([], ["--type", "Q9"], ["--arch", "gpt9"], ["--shape", "1,2"],
                      ["--shape", "1,64,4,3,96,400"], ["--vocab", "spm", "--shape", "1,64,4,4,64,9"],
                      ["--colour", "red"]):
            path = [temp("wrong.gguf")] if words else []
            self.bad(call(RANDOM_MODEL, *path, *words), 2, "random_model: ")
        self.assertFalse(os.path.exists(temp("wrong.gguf")))

    def test_architectures(self):
        for arch in ("llama", "qwen2", "qwen3", "qwen3moe"):
            for more in ([], ["--tied"], ["--head-dim", "32"], ["--type", "Q8_0"]):
                out = self.good(skald("run", small_model("--arch", arch, *more), "-p", "a", "-n", "3",
                                      "--ignore-eos", "--ids"))
                self.assertEqual(len(out.split()), 3)
        experts = random_model("--shape", "2,64,4,2,96,400,4,2,32")
        self.good(skald("run", experts, "-p", "a", "-n", "3"))


class Template(ToolTest):
    CASE = [{"role": "user", "content": "Hi \u2014 <|im_end|>"}]

    def render(self, template, case, *words):
        with open(temp("t.jinja"), "wb") as file:
            file.write(template.encode())
        with open(temp("case.json"), "w") as file:
            json.dump(case, file)
        return skald("template", "--file", temp("t.jinja"), temp("case.json"), *words)

    def test_file(self):
        out = self.good(self.render("{{ bos_token }}{{ messages[0].content }}\n", self.CASE))
        self.assertEqual(out.decode(), "<s>Hi \u2014 <|im_end|>")
        case = {"messages": self.CASE, "vars": {"x": [1, None]}, "tools": [{"a": 1}]}
        out = self.good(self.render("{{ x }}{{ tools|tojson }}{{ strftime_now('%Y-%m-%d') }}", case,
                                    "--now", "1767323045"))
        self.assertEqual(out.decode(), '[1, None][{"a": 1}]2026-01-02')

    def test_model_and_name(self):
        case = json.dumps(self.CASE).encode()
        want = "<|im_start|>user\nHi \u2014 <|im_end|><|im_end|>\n<|im_start|>assistant\n"
        for words in (["--name", "chatml"], [small_model()]):
            self.assertEqual(self.good(skald("template", *words, "-", stdin=case)).decode(), want)

    def test_errors(self):
        self.bad(self.render("{{ raise_exception('my own') }}", self.CASE), 1, "my own", "line 1")
        self.bad(self.render("{% if %}", self.CASE), 1, "line 1")
        self.bad(self.render("{{ x }}", {"x": 1}), 1, "list of messages")
        self.bad(skald("template", "--name", "chatmk", "-", stdin=b"[]"), 1, "chatml")

    def test_renderings(self):
        """What Jinja2 makes of real templates, through the tool."""
        with open(shared("templates", "renderings.json")) as file:
            renderings = json.load(file)
        with open(shared("templates", "conversations.json")) as file:
            cases = {case["name"]: case for case in json.load(file)}
        for row in renderings[::13]:
            with self.subTest(template=row["template"], conversation=row["conversation"]):
                stdin = json.dumps(cases[row["conversation"]]).encode()
                result = skald("template", "--file", shared("templates", row["template"]), "-",
                               "--now", "1767323045", stdin=stdin)
                if "expect" in row:
                    self.assertEqual(self.good(result).decode(), row["expect"])
                else:
                    self.bad(result, 1)


class Terminal:
    """`skald chat` at a pseudo-terminal."""

    def __init__(self, *words, **env):
        master, slave = pty.openpty()
        self.master, self.seen = master, ""
        self.process = subprocess.Popen([TOOL, "chat", *words], stdin=slave, stdout=slave,
                                        stderr=slave, env=dict(os.environ, **env),
                                        start_new_session=True,
                                        preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0))
        os.close(slave)

    def wait(self, text, seconds=30):
        end = time.monotonic() + seconds
        while text not in self.seen and time.monotonic() < end:
            if not select.select([self.master], [], [], 0.2)[0]:
                continue
            try:
                self.seen += os.read(self.master, 65536).decode("utf-8", "replace")
            except OSError:
                break
        found = text in self.seen
        if found:
            self.last, self.seen = self.seen.split(text, 1)
        return found

    def type(self, text):
        os.write(self.master, text.encode())

    def close(self):
        self.type("\x15/exit\r")
        code = self.process.wait(30)
        os.close(self.master)
        return code


class Chat(ToolTest):
    WORDS = ["--temp", "0", "--set", "ignore_eos=1", "-c", "4000"]

    def test_without_a_terminal(self):
        saved = temp("saved.json")
        lines = ["Hello\\", "world", "/system Be brief.", "Again", "/save " + saved, "/undo",
                 "/regen", "/set temperature=x", "/set enable_thinking=false", "/nothing", "/stats",
                 "/help", "/load " + saved, "/clear"]
        result = skald("chat", small_model(), *self.WORDS, "-n", "3",
                       stdin="\n".join(lines).encode())
        self.assertEqual(result.code, 0, result.complaint)
        self.assertNotIn(b"\033", result.out)
        for said in ("message is set", "messages are in", "temperature",
                     "enable_thinking", "no command /nothing", "tokens", "/regen", "5 messages",
                     "is empty"):
            self.assertIn(said, result.complaint)
        with open(saved) as file:
            messages = json.load(file)
        self.assertEqual([m["role"] for m in messages],
                         ["system", "user", "assistant", "user", "assistant"])
        self.assertEqual(messages[1]["content"], "Hello\nworld")

    def test_reasoning(self):
        words = [small_model(), *self.WORDS, "-n", "30", "--reasoning", "4", "--set",
                 "chat_template={{ messages[0].content }}<think>"]
        result = skald("chat", *words, stdin=b"Hi\n")
        self.assertEqual(result.code, 0, result.complaint)
        self.assertIn(b"(thinking)\n", result.out)
        self.assertIn(b"\n(thought)\n\n", result.out)

    def test_at_a_terminal(self):
        t = Terminal(small_model(), *self.WORDS, "-n", "5")
        self.assertTrue(t.wait("> "), t.seen)
        t.type("abc\x7f\x7fxy\x1b[D\x1b[Dq\r")       # editing: aqxy
        self.assertTrue(t.wait("> aqxy"), t.seen)
        self.assertTrue(t.wait("[5 tokens, "), t.seen)
        t.type("\x1b[A")                              # history
        self.assertTrue(t.wait("> aqxy"), t.seen)
        t.type("\x15\x1b[200~one\rtwo\x1b[201~\r")     # a paste of two lines
        self.assertTrue(t.wait("one\u21b5two"), t.seen)
        self.assertTrue(t.wait("known"), t.seen)
        self.assertEqual(t.close(), 0)

    def test_interrupting_an_answer(self):
        t = Terminal(small_model(), *self.WORDS[:-1], "200000")
        self.assertTrue(t.wait("> "), t.seen)
        t.type("go on\r")
        self.assertTrue(t.wait("\r\n"), t.seen)
        time.sleep(0.1)
        t.type("\x03")
        self.assertTrue(t.wait("(stopped)"), t.seen[-500:])
        t.type("\r/set n_predict=2\r")
        self.assertTrue(t.wait("n_predict is 2"), t.seen[-500:])
        t.type("more\r")
        self.assertTrue(t.wait("[2 tokens"), t.seen[-500:])
        self.assertEqual(t.close(), 0)

    def test_colours(self):
        words = [small_model(), *self.WORDS, "-n", "30", "--reasoning", "4", "--set",
                 "chat_template={{ messages[0].content }}<think>"]
        for env, dimmed in (({}, True), ({"NO_COLOR": "1"}, False)):
            t = Terminal(*words, **env)
            self.assertTrue(t.wait("> "), t.seen)
            t.type("Hi\r")
            self.assertTrue(t.wait("[30 tokens"), t.seen)
            self.assertEqual("\x1b[2m" in t.last, dimmed, t.last)
            self.assertEqual("(thinking)" in t.last, not dimmed, t.last)
            self.assertEqual(t.close(), 0)


if __name__ == "__main__":
    main()
