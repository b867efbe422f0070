# SPDX-License-Identifier: MIT
"""The example hosts, each run on a random model."""
import os
import shutil

from harness import EXAMPLES, TEMP, ToolTest, call, lora, main, random_model, skald, small_model, temp


class Examples(ToolTest):
    def example(self, name, *words, cwd=None):
        result = call(os.path.join(EXAMPLES, name), *words, cwd=cwd)
        self.assertEqual(result.code, 0, result.complaint)
        return result

    def test_hello(self):
        """The program of the README: it prints what `skald run` prints."""
        model = random_model("--shape", "2,64,4,2,96,400", "--seed", "3")
        shutil.copy(model, temp("model.gguf"))
        result = self.example("hello", cwd=TEMP)
        wanted = skald("run", model, "-p", "Once upon a time")
        self.assertTrue(result.out)
        self.assertEqual(wanted.out[:len(result.out)], result.out)
        self.assertEqual(result.complaint, "")

    def test_hello_is_the_manual(self):
        """The program in the header's opening comment is hello.c, word for word."""
        root = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../..")
        with open(os.path.join(root, "include/skald.h")) as file:
            lines = [line[3:].strip() for line in file if line.startswith(" *")]
        manual = lines[lines.index("#include <skald.h>"):]
        manual = manual[:manual.index("}", manual.index("return 0;")) + 1]
        with open(os.path.join(root, "examples/hello.c")) as file:
            hello = [line.strip() for line in file]
        self.assertEqual(hello[hello.index("#include <skald.h>"):], manual)

    def test_hello_without_model(self):
        os.makedirs(temp("empty"), exist_ok=True)
        result = call(os.path.join(EXAMPLES, "hello"), cwd=temp("empty"))
        self.assertIn("model.gguf", result.text)

    def test_game(self):
        result = self.example("game", small_model(), "120")
        said = result.out.decode("utf-8", "replace")
        self.assertTrue(said.startswith("the character says:"), result.complaint)
        prompt = ["-p", "The player offers you a fish.", "-n", "24", "--temp", "0.7", "-s", "7"]
        alone = skald("run", small_model(), *prompt)
        self.assertEqual(result.out, b"the character says:" + alone.out + b"\n")

    def test_voices(self):
        """Each says what it says alone."""
        model, prompt = small_model(), "What do you make of the weather?"
        voices = [lora("first", ("output", 64, 400)), lora("second", ("blk.0.attn_v", 64, 32))]
        result = self.example("voices", model, *voices)
        words = ["run", model, "-p", prompt, "-n", "32", "--temp", "0.7", "-s", "1", "-c", "256"]
        alone = [skald(*words, "--lora", voice).out for voice in voices]
        self.assertEqual(result.out, b"".join(
            voice.encode() + b":" + text + b"\n" for voice, text in zip(voices, alone)))
        self.assertNotEqual(alone[0], alone[1])

    def test_editor(self):
        result = self.example("editor", small_model())
        lines = result.complaint.splitlines()
        self.assertEqual(len(lines), 4, result.complaint)
        reused = [int(line.split()[0]) for line in lines[:3]]
        self.assertEqual(reused[0], 0)
        self.assertTrue(1 < reused[1] < reused[2], lines)
        self.assertIn(lines[3], ("cancelled", "the key came too late"))

    def test_server(self):
        """Eight conversations at once: each says what it would have said alone."""
        result = self.example("server", small_model())
        self.assertIn("at most", result.complaint)
        self.assertGreater(int(result.complaint.split()[2]), 1)
        for i in range(8):
            prompt = "Client %d asks for a story about %s" % (i, "the sea"[:1 + i % 3 * 4])
            alone = skald("run", small_model(), "-p", prompt, "-n", 8 + 4 * i, "-s", i,
                          "--temp", 0.25 * (i % 4))
            self.assertIn(b"client %d:%s\n" % (i, alone.out), result.out)

    def test_rewrite(self):
        """Guessing, from the text or by a second model, changes nothing that is written."""
        text = "the cat and the cat and the cat and the dog"
        prompt = "Repeat this with its spelling corrected: %s\nCorrected:" % text
        plain = skald("run", small_model(), "-p", prompt, "-n", 96, "-c", 1024, "--temp", 0)
        for second in ([], [small_model()]):
            result = self.example("rewrite", small_model(), text, *second)
            self.assertRegex(result.complaint, r"^\d+ tokens in [\d.]+ ms, \d+ of \d+ guesses came true$")
            self.assertEqual(result.out, plain.out)
        self.assertGreater(int(result.complaint.split()[5]), 0, result.complaint)

    def test_archive(self):
        result = self.example("archive", small_model())
        self.assertNotIn("not enforced", result.complaint)
        lines = result.complaint.splitlines()
        self.assertRegex(lines[0], r"^too little: .*\d")
        self.assertRegex(lines[1], r"^\d+ jobs, \d+ bytes at most, 0 left$")
        self.assertNotEqual(lines[1].split()[0], "0")
        alone = skald("run", small_model(), "-p", "In the archive", "-n", "16", "--temp", "0")
        self.assertEqual(result.out, alone.out + b"\n")


if __name__ == "__main__":
    main()
