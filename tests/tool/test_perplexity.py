# SPDX-License-Identifier: MIT
"""The perplexity of a real model in every tensor type, against the reference's."""
import json
import os
import sys

from harness import ToolTest, main, shared, skald

LOW_BIT = ("IQ1", "IQ2", "Q1_0", "Q2_0", "Q2_K", "TQ1", "TQ2")  # under 3 bits per weight
TEXT = sys.argv.pop(1)


class Perplexity(ToolTest):
    def test_perplexity(self):
        with open(shared("models", "perplexity.json")) as file:
            cases = [case for case in json.load(file)["cases"] if case["text"] == TEXT]
        checked = 0
        for case in cases:
            name = case["model"].replace("stories260K-f32", "stories260K")
            folder = "models" if os.path.exists(shared("models") + "/" + name) else "models/wide256"
            path = shared(folder) + "/" + name
            if not os.path.exists(path):
                continue
            with self.subTest(model=name):
                found = json.loads(self.good(
                    skald("perplexity", path, "-f", shared("texts", TEXT), "-c", case["n_ctx"],
                          "--chunks", case["chunks"], "--json")))
                self.assertEqual(found["n_tokens"], case["n_tokens"])
                bound = 0.05 if any(mark in name for mark in LOW_BIT) else 0.02
                for key, wanted in (("ppl", "ppl_second_half"), ("ppl_all", "ppl_all")):
                    error = found[key] / case[wanted] - 1
                    self.assertLess(abs(error), bound, "%s: %g, wanted %g" %
                                    (key, found[key], case[wanted]))
                checked += 1
        self.assertGreaterEqual(checked, 30)


if __name__ == "__main__":
    main()
