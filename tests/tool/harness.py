# SPDX-License-Identifier: MIT
"""Running the built programs: what the tests of the tool and of the examples share.

meson hands over where things are in the environment. Nothing beyond python3 is needed.
"""
import array
import atexit
import functools
import os
import shutil
import struct
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../house"))
import make_model  # noqa: E402

TOOL = os.environ["SKALD_TOOL"]
RANDOM_MODEL = os.environ["SKALD_RANDOM_MODEL"]
EXPAND = os.environ["SKALD_EXPAND"]
EXAMPLES = os.environ["SKALD_EXAMPLES"]
SHARED = os.environ.get("SKALD_SHARED", "../shared")
TIMEOUT = 300

TEMP = tempfile.mkdtemp(prefix="skald-test-")
atexit.register(shutil.rmtree, TEMP, ignore_errors=True)


class Result:
    def __init__(self, process):
        self.code, self.out, self.err = process.returncode, process.stdout, process.stderr

    @property
    def text(self):
        return self.out.decode("utf-8", "surrogateescape")

    @property
    def complaint(self):
        return self.err.decode("utf-8", "replace")


def call(*words, stdin=b"", cwd=None):
    """Runs a program to its end, its streams no terminals."""
    words = [str(word) for word in words]
    return Result(subprocess.run(words, input=stdin, capture_output=True, timeout=TIMEOUT, cwd=cwd))


def skald(*words, stdin=b""):
    return call(TOOL, *words, stdin=stdin)


def temp(name):
    return os.path.join(TEMP, name)


@functools.lru_cache(maxsize=None)
def random_model(*words):
    """The path of a random model made with these arguments."""
    path = temp("random-%08x.gguf" % (hash(words) & 0xFFFFFFFF))
    result = call(RANDOM_MODEL, path, *words)
    assert result.code == 0, result.complaint
    return path


SMALL = ("--shape", "2,64,4,2,96,400")


def small_model(*words):
    return random_model(*SMALL, *words)


def lora(name, *matrices, arch="llama"):
    """The path of a random adapter for matrices (name, inputs, outputs)."""
    writer, path = make_model.Writer(name), temp(name + ".gguf")
    make_model.lora(writer, matrices, arch)
    writer.write(path)
    return path


def control_vector(name, n_embd, *layers):
    writer, path = make_model.Writer(name), temp(name + ".gguf")
    writer.put("general.architecture", make_model.STRING, "controlvector")
    for layer in layers:
        writer.tensor("direction.%d" % layer, "F32", n_embd)
    writer.write(path)
    return path


def shared(*parts):
    """A path among the large shared files; the test is skipped where they are absent."""
    path = os.path.join(SHARED, *parts)
    if not os.path.exists(path):
        raise unittest.SkipTest("no " + path)
    return path


def read_logits(path):
    """(n_prefill, tokens, rows) of a file of logits."""
    with open(path, "rb") as file:
        data = file.read()
    magic, n_prefill, n_decode, n_vocab = struct.unpack_from("<4i", data)
    assert magic in (0x474F4C44, 0x474F4C45), path # logits; vectors of an encoder
    n = n_prefill + n_decode
    tokens = list(struct.unpack_from("<%di" % n, data, 16))
    values = array.array("f")
    values.frombytes(data[16 + 4 * n:])
    if sys.byteorder == "big":
        values.byteswap()
    assert len(values) == n * n_vocab, path
    return n_prefill, tokens, values


def nmse(wanted, found):
    """The normalised mean squared error of `found`."""
    assert len(wanted) == len(found)
    return sum((a - b) ** 2 for a, b in zip(wanted, found)) / sum(a * a for a in wanted)


class ToolTest(unittest.TestCase):
    longMessage = True

    def good(self, result):
        """It did its work and had nothing to complain about; its output."""
        self.assertEqual(result.code, 0, result.complaint)
        self.assertEqual(result.complaint, "")
        return result.out

    def bad(self, result, code, *words):
        """It ended with this code, said why on stderr, and left stdout clean."""
        self.assertEqual(result.code, code, result.complaint)
        self.assertEqual(result.out, b"")
        for word in words:
            self.assertIn(word, result.complaint)


def main():
    """Runs the tests of the calling file; 77 (meson: skipped) when all were skipped."""
    program = unittest.main(module="__main__", exit=False, verbosity=1)
    result = program.result
    if result.wasSuccessful() and result.testsRun == len(result.skipped):
        sys.exit(77)
    sys.exit(not result.wasSuccessful())
