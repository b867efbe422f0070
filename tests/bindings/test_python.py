# SPDX-License-Identifier: MIT
"""The Python binding on a small random model, and on a trained one when ../shared has it.

Run as: test_python.py ROOT MODEL LORA, with PYTHONPATH and SKALD_LIBRARY set.
"""

import gc
import json
import os
import pickle
import signal
import subprocess
import sys
import tempfile
import threading
import time
import unittest

ROOT, MODEL, LORA = (os.path.abspath(path) for path in sys.argv[1:4])
del sys.argv[1:]
SHARED = os.environ.get("SKALD_SHARED", os.path.join(ROOT, "..", "shared"))
STORIES = os.path.join(SHARED, "models", "stories260K.gguf")

import skald  # noqa: E402
from skald import _ffi  # noqa: E402


class Options(unittest.TestCase):
    def test_list(self):
        found = {o.key: o for o in skald.options()}
        self.assertEqual(found["n_ctx"].type, "int")
        self.assertEqual(found["temperature"].type, "float")
        self.assertTrue(all(o.help for o in found.values()))

    def test_unknown_option_names_the_nearest(self):
        with self.assertRaises(skald.InvalidArgument) as caught:
            skald.Model(MODEL, n_thread=2)
        self.assertIn("threads", str(caught.exception))
        self.assertEqual(caught.exception.name, "SKALD_E_OPTION")
        self.assertIsInstance(caught.exception, ValueError)

    def test_bad_values(self):
        for value in (2**70, "many", 1.5, None, object(), "\0"):
            with self.assertRaises((skald.Error, TypeError)):
                skald.Model(MODEL, n_threads=value)

    def test_version(self):
        self.assertRegex(skald.version(), r"^\d+\.\d+\.\d+$")


class Adapters(unittest.TestCase):
    OPTIONS = {"n_ctx": 64, "n_predict": 8, "temperature": 0, "ignore_eos": True}

    def say(self, context):
        context.set_prompt("Once upon a time")
        return "".join(context.generate()), context.logits()

    def test_wearing(self):
        with skald.Model(MODEL) as model, model.context(**self.OPTIONS) as context:
            with model.adapter(LORA) as lora:
                self.assertEqual((lora.info("n_matrices"), lora.info("max_rank")), (3, 4))
                plain = self.say(context)
                context.set_adapters([lora])
                worn = self.say(context)
                context.set_adapters([lora], [0.5])
                half = self.say(context)
                context.set_adapters([lora, lora], (0.5, 0.5))
                self.assertEqual(context.info("n_adapters"), 2)
                context.set_adapters([lora], [1])
            self.assertTrue(lora.closed)  # the context still has it
            self.assertEqual(self.say(context), worn)
            context.set_adapters([])
            self.assertEqual(self.say(context), plain)
            self.assertNotEqual(plain[1], worn[1])
            self.assertNotEqual(half[1], worn[1])

    def test_failures(self):
        with skald.Model(MODEL) as model, model.context(**self.OPTIONS) as context:
            with self.assertRaises(skald.NotFound):
                model.adapter("/no/such/file.gguf")
            with self.assertRaises(skald.InvalidArgument) as caught:
                model.adapter(MODEL)
            self.assertIn("wanted adapter", str(caught.exception))
            with self.assertRaises(skald.OutOfMemory):
                model.adapter(LORA, max_memory=1000)
            lora = model.adapter(LORA)
            with self.assertRaises(skald.NotFound):
                lora.info("colour")
            with self.assertRaises(skald.InvalidArgument):
                context.set_adapters([lora], [1, 2])
            with self.assertRaises(skald.InvalidArgument):
                context.set_adapters([lora], [float("nan")])
            lora.close()
            with self.assertRaises(skald.Closed):
                context.set_adapters([lora])


class Chats(unittest.TestCase):
    OPTIONS = {"n_ctx": 300, "n_predict": 8, "temperature": 0, "ignore_eos": True,
               "chat_template": "chatml"}

    def setUp(self):
        self.model = skald.Model(MODEL)

    def tearDown(self):
        self.model.close()

    def test_turns(self):
        with self.model.chat(system="Be brief.", **self.OPTIONS) as chat:
            text = "".join(chat.send("Hello"))
            self.assertEqual(text, chat.last.text)
            self.assertEqual([m["role"] for m in chat.messages], ["system", "user", "assistant"])
            self.assertEqual(chat.last.usage["completion_tokens"], 8)
            before = chat.save()
            list(chat.send("More"))
            self.assertGreater(chat.last.usage["reused_tokens"], 10)
            chat.load(before)
            self.assertEqual(len(chat.messages), 3)
            self.assertEqual("".join(chat.send("More", n_predict=4)), chat.last.text)
            self.assertEqual(chat.last.usage["completion_tokens"], 4)

    def test_estimate(self):
        costs = skald.estimate(MODEL, n_ctx=256, n_threads=1)
        with skald.Model(MODEL, n_threads=1) as model:
            self.assertEqual(model.info("memory_live"), costs["model"])
        self.assertEqual(costs["cache"], costs["token"] * 256)

    def test_events(self):
        template = "{{ messages[0].content }}<think>"
        options = dict(self.OPTIONS, chat_template=template, reasoning_budget=3, n_predict=40)
        with self.model.chat(**options) as chat:
            kinds = [event.kind for event in chat.events("Hello")]
            self.assertEqual(sorted(set(kinds)), ["reasoning", "text"])
            self.assertIn("reasoning_content", chat.messages[-1])

    def test_stopping_early_leaves_no_trace(self):
        with self.model.chat(**self.OPTIONS) as chat:
            for _ in chat.send("Hello"):
                break
            self.assertEqual(chat.messages, [])
            self.assertTrue("".join(chat.send("Hello")))

    def test_render(self):
        text = self.model.render_chat([{"role": "user", "content": "Hi"}], chat_template="chatml")
        self.assertEqual(text, "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n")
        with self.assertRaises(skald.Error) as caught:
            self.model.render_chat([], chat_template="{{ raise_exception('no') }}")
        self.assertEqual(caught.exception.name, "SKALD_E_TEMPLATE")


class Files(unittest.TestCase):
    def test_missing(self):
        with self.assertRaises(skald.NotFound) as caught:
            skald.Model("/no/such/file.gguf")
        self.assertIn("/no/such/file.gguf", str(caught.exception))
        self.assertIsInstance(caught.exception, LookupError)

    def test_not_a_model(self):
        with self.assertRaises(skald.InvalidFile):
            skald.Model(__file__)

    def test_truncated(self):
        with open(MODEL, "rb") as file, tempfile.NamedTemporaryFile() as cut:
            cut.write(file.read(5000))
            cut.flush()
            with self.assertRaises(skald.InvalidFile):
                skald.Model(cut.name)

    def test_memory(self):
        with self.assertRaises(skald.OutOfMemory):
            skald.Model(MODEL, max_memory=4000)


class Models(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.model = skald.Model(MODEL, n_threads=2)

    @classmethod
    def tearDownClass(cls):
        cls.model.close()

    def test_properties(self):
        self.assertEqual(self.model.architecture, "llama")
        self.assertEqual(self.model.name, "random llama")
        self.assertEqual(self.model.n_vocab, 304)
        self.assertEqual(self.model.info("n_layer"), 1)
        self.assertEqual(self.model.info("progress"), 1.0)
        with self.assertRaises(skald.NotFound):
            self.model.info("n_layers_of_cake")

    def test_metadata(self):
        metadata = self.model.metadata
        self.assertEqual(len(list(metadata)), len(metadata))
        self.assertEqual(metadata["general.architecture"], "llama")
        self.assertEqual(metadata["llama.block_count"], 1)
        self.assertAlmostEqual(metadata["llama.rope.freq_base"], 10000.0)
        self.assertTrue(metadata["tokenizer.ggml.tokens"].startswith("["))
        self.assertNotIn("no.such.key", metadata)
        self.assertEqual(metadata.get("no.such.key", 5), 5)

    def test_tokens(self):
        for text in ("Once upon a time", "", "caf\u00e9 \u20ac \U0001f600", "a\0b", "x" * 5000):
            ids = self.model.tokenize(text)
            self.assertTrue(all(0 <= i < self.model.n_vocab for i in ids))
            self.assertEqual(self.model.detokenize(ids).decode().lstrip(" "), text)
        self.assertEqual(self.model.tokenize("a", add_special=True)[0], 1)
        self.assertEqual(self.model.tokenize(b"\xff\xfe")[-1], 3 + 0xFE)
        self.assertEqual(self.model.token_bytes(3 + 65), b"A")
        with self.assertRaises(skald.InvalidArgument):
            self.model.detokenize([10**6])
        with self.assertRaises(skald.InvalidArgument):
            self.model.token_bytes(-1)

    def test_generate(self):
        pieces = list(self.model.generate("Once upon", n_predict=24, temperature=0, n_ctx=64))
        again = "".join(self.model.generate("Once upon", n_predict=24, temperature=0, n_ctx=64))
        self.assertEqual("".join(pieces), again)
        self.assertTrue(all(isinstance(p, str) and p for p in pieces))

    def test_context(self):
        with self.model.context(n_ctx=64, n_predict=4, temperature=0, ignore_eos=True) as context:
            context.append([1, 5, 7, 9])
            first = "".join(context.generate())
            self.assertEqual(context.info("stop_reason"), "length")
            self.assertEqual(len(context.tokens), 8)
            self.assertEqual(context.tokens[:4], [1, 5, 7, 9])
            self.assertEqual(len(context.logits()), self.model.n_vocab)
            context.truncate(4)
            context.set(n_predict=4)
            self.assertEqual("".join(context.generate()), first)
            context.set_prompt([1, 5, 7, 9])
            self.assertEqual(context.info("n_reused"), 3)
            self.assertEqual("".join(context.generate()), first)
            context.splice(1, 3, [5, 7, 9])
            self.assertEqual(context.tokens[:4], [1, 5, 7, 9])
            context.splice(4, len(context.tokens) - 4)
            state = context.save()
            "".join(context.generate())
            context.load(state)
            self.assertEqual((len(context.tokens), context.info("n_reused")), (4, 3))
            with self.assertRaises(skald.Error):
                context.load(state[:-1])
            with context.fork() as fork:
                self.assertEqual("".join(fork.generate()), first)
                self.assertEqual(len(context.tokens), 4)
            self.assertEqual("".join(context.generate()), first)
            self.assertEqual(context.info("n_ctx"), 64)
            with self.assertRaises(skald.InvalidArgument):
                context.append([10**6])
            with self.assertRaises(skald.ContextFull):
                context.append([5] * 100)

    def test_step(self):
        context = self.model.context(n_ctx=64, n_predict=2, temperature=0, ignore_eos=True)
        context.append("Once upon a time")
        states = set()
        while "done" not in states:
            states.add(context.step(0)[0])
        self.assertEqual(states, {"pending", "token", "done"})
        context.close()

    def test_vectors(self):
        texts = ["One text", "and another", "One text", [5, 6, 7]]
        vectors = self.model.embed(texts, n_ctx=64)
        self.assertEqual(len(vectors), 4)
        self.assertEqual(vectors[0], vectors[2])
        self.assertNotEqual(vectors[0], vectors[1])
        self.assertEqual(len(vectors[0]), self.model.info("n_vector"))
        self.assertAlmostEqual(sum(x * x for x in vectors[0]), 1, places=5)
        with self.model.context(n_ctx=64, pooling="none", normalise=0) as context:
            context.set_prompt([5, 6, 7])
            self.assertEqual(context.step(-1)[0], "done")
            self.assertEqual(len(context.embedding(2)), len(vectors[0]))
            self.assertRaises(skald.NotFound, context.embedding, 3)
        with self.assertRaises(skald.InvalidArgument):
            self.model.rerank("query", ["document"])

    def test_stop_list(self):
        context = self.model.context(n_ctx=64, stop=["zzz", "qqq"])
        context.set(stop=["one", "two"], temperature=0.5, top_k=3)
        self.assertEqual(context.info("temperature"), 0.5)
        self.assertEqual(context.info("stop"), "one")

    def test_draft(self):
        """A second model is an option like others; guessing ahead changes no text."""
        options = {"n_ctx": 64, "n_predict": 20, "temperature": 0, "ignore_eos": 1}
        texts = []
        with skald.Model(MODEL, threads_of=self.model) as second:
            for draft in ({}, {"draft": "lookup"}, {"draft": "model", "draft_model": second,
                                                    "draft_p_min": 0.0}):
                context = self.model.context(**options, **draft)
                context.append("Once upon a time")
                texts.append("".join(context.generate()))
        self.assertEqual(texts, texts[:1] * 3)
        self.assertGreater(context.info("n_accepted"), 0)  # of a model that guesses as this one does
        self.assertRaises(TypeError, context.set, draft_model=self.model)

    def test_cancel(self):
        context = self.model.context(n_ctx=64)
        context.append("Once")
        context.cancel()
        with self.assertRaises(skald.Cancelled):
            context.step()
        self.assertEqual(context.step(-1)[0], "token")

    def test_close(self):
        context = self.model.context(n_ctx=64)
        context.close()
        context.close()
        context.cancel()
        self.assertTrue(context.closed)
        for use in (lambda: context.append("a"), context.step, lambda: context.tokens,
                    lambda: context.info("n_ctx"), lambda: next(context.generate())):
            with self.assertRaises(skald.Closed):
                use()
        model = skald.Model(MODEL)
        living = model.context(n_ctx=64, n_predict=1)
        model.close()
        with self.assertRaises(skald.Closed):
            model.tokenize("a")
        living.append("the context outlives its model's handle")
        self.assertIsInstance("".join(living.generate()), str)

    def test_collection(self):
        for _ in range(20):
            context = self.model.context(n_ctx=64)
            context.append("Once")
            context.step(0)
        del context
        gc.collect()

    def test_pickle(self):
        with self.assertRaises(TypeError):
            pickle.dumps(self.model)

    def test_threads(self):
        """Contexts run on Python threads at once, and one that is closed elsewhere ends cleanly."""
        wanted = "".join(self.model.generate("Once", n_predict=8, n_ctx=64, seed=5))
        found = []
        threads = [threading.Thread(target=lambda: found.append(
            "".join(self.model.generate("Once", n_predict=8, n_ctx=64, seed=5)))) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(found, [wanted] * 4)
        context = self.model.context(n_ctx=512, ignore_eos=True)
        context.append("Once")
        caught = []

        def run():
            try:
                list(context.generate())
            except skald.Closed as error:
                caught.append(error)
        thread = threading.Thread(target=run)
        thread.start()
        time.sleep(0.01)
        context.close()
        thread.join(10)
        self.assertFalse(thread.is_alive())

    def test_interrupt(self):
        """Ctrl-C stops a generation that would go on for long, and the context lives on."""
        context = self.model.context(n_ctx=512, ignore_eos=True)
        context.append("Once")
        signal.signal(signal.SIGALRM, signal.default_int_handler)
        signal.setitimer(signal.ITIMER_REAL, 0.05)
        with self.assertRaises(KeyboardInterrupt):
            while True:
                for _ in context.generate():
                    pass
                context.truncate(1)
        self.assertGreater(len(context.tokens), 0)
        context.truncate(1)
        self.assertEqual(context.step(-1)[0], "token")


class Library(unittest.TestCase):
    def test_search(self):
        """A library that is not there is an ImportError that says what was tried."""
        code = "import skald"
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True,
                              env={**os.environ, "SKALD_LIBRARY": "/no/such/libskald.so"})
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("ImportError", done.stderr)
        self.assertIn("/no/such/libskald.so", done.stderr)

    def test_old_library(self):
        with self.assertRaises(ImportError):
            _ffi.declare(type("Empty", (), {})(), "empty")


@unittest.skipUnless(os.path.exists(STORIES), "the shared test files are not here")
class Stories(unittest.TestCase):
    def test_greedy(self):
        """The reference's text, token for token."""
        with open(os.path.join(SHARED, "models", "greedy.json"), encoding="utf-8") as file:
            cases = [c for c in json.load(file)["cases"] if c["model"] == "stories260K-f32.gguf"]
        self.assertTrue(cases)
        with skald.Model(STORIES) as model:
            for case in cases:
                with model.context(temperature=0, n_predict=len(case["greedy_ids"]), n_ctx=512,
                                   ignore_eos=True) as context:
                    context.append(case["prompt_ids"])
                    text = "".join(context.generate())
                    self.assertEqual(context.tokens[len(case["prompt_ids"]):], case["greedy_ids"])
                    self.assertEqual(text.strip(), case["greedy_text"].strip())


if __name__ == "__main__":
    unittest.main()
