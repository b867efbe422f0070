# SPDX-License-Identifier: MIT
"""What the built library shows to the linker: its names, what it needs, what it keeps.

Run as: test_abi.py ROOT libskald.so libskald.a [SANITIZED]. The lists of names hold for the plain
Linux build; a sanitizer's runtime adds its own, and then only the exports are compared.
"""

import os
import re
import subprocess
import sys
import unittest

import csource

ROOT, SHARED, STATIC = (os.path.abspath(path) for path in sys.argv[1:4])
PLAIN = sys.argv[4:5] != ["sanitized"]
del sys.argv[1:]

# All that the library may ask of the system: memory, numbers as text (base/status.c sees to the
# locale), byte strings, files, threads, a clock, and of libm what is exact, roots and rounding.
IMPORTS = set("""
    malloc free calloc realloc aligned_alloc posix_memalign
    snprintf __snprintf_chk strtod
    memcpy memmove memset memcmp bcmp memchr memrchr strlen strnlen strcmp strncmp strchr strrchr strstr
    strcspn strspn strpbrk
    open open64 openat close read write pread pread64 fstat fstat64 stat stat64 __errno_location
    fsync rename unlink fchmod
    mmap mmap64 munmap madvise posix_madvise mprotect posix_fadvise posix_fadvise64 sysconf
    clock_gettime getpid sched_getaffinity __sched_cpucount sched_yield
    pthread_create pthread_join pthread_detach pthread_self pthread_equal
    pthread_mutex_init pthread_mutex_destroy pthread_mutex_lock pthread_mutex_unlock
    pthread_mutex_trylock
    pthread_cond_init pthread_cond_destroy pthread_cond_wait pthread_cond_timedwait
    pthread_cond_signal pthread_cond_broadcast pthread_condattr_init pthread_condattr_destroy
    pthread_condattr_setclock pthread_attr_init pthread_attr_destroy pthread_attr_setstacksize
    sqrt sqrtf rint rintf nearbyint nearbyintf floor floorf ceil ceilf trunc truncf
    __tls_get_addr
""".split())
# The library's own threads block the host's signals; this touches nobody else.
IMPORTS |= {"pthread_sigmask", "sigfillset", "sigdelset"}
WEAK = {"__cxa_finalize", "__gmon_start__", "_ITM_deregisterTMCloneTable",
        "_ITM_registerTMCloneTable"}
# Compiler support routines (128-bit division, CPU features) come from libgcc, which is static.

NEVER = set("""
    abort exit _exit __assert_fail __assert raise kill signal sigaction getenv secure_getenv
    printf fprintf puts putchar fputs fputc fwrite vfprintf perror stdout stderr stdin
    setlocale localeconv newlocale uselocale strtof strtok rand random system fork execve
    dlopen atexit __cxa_atexit qsort longjmp __stack_chk_fail_local
""".split())

# The one mutable static object: this thread's last message.
THREAD_LOCAL = 1


def run(*command):
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def names(*options):
    """(name without version, type letter) of what nm lists."""
    found = []
    for line in run("nm", *options).split("\n"):
        match = re.match(r"(?:[0-9a-f]+)?\s*([A-Za-z])\s+(\S+)$", line)
        if match:
            found.append((match.group(2).split("@")[0], match.group(1)))
    return found


def sections():
    """(object, section, size, flags) of every object in the static library."""
    found, member = [], ""
    for line in run("readelf", "-SW", STATIC).split("\n"):
        if line.startswith("File: "):
            member = line.split("(")[-1].rstrip(")")
        match = re.match(r"\s*\[\s*\d+\]\s+(\S+)\s+(\S+)\s+[0-9a-f]+\s+[0-9a-f]+\s+([0-9a-f]+)\s+"
                         r"[0-9a-f]+\s+([A-Zop]*)\s", line)
        if match:
            found.append((member, match.group(1), int(match.group(3), 16), match.group(4)))
    return found


class Abi(unittest.TestCase):
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        with open(os.path.join(ROOT, "include", "skald.h"), encoding="utf-8") as file:
            cls.header = file.read()

    def test_exports(self):
        """The shared library exports what the header declares, and what symbols.txt records."""
        exported = sorted(n for n, kind in names("-D", "--defined-only", SHARED)
                          if kind != "A")  # the version's own name
        self.assertEqual(exported, sorted(p.name for p in csource.prototypes(self.header)))
        with open(os.path.join(ROOT, "tests", "house", "symbols.txt"), encoding="utf-8") as file:
            recorded = [line.split() for line in file if line.strip() and line[0] != "#"]
        self.assertEqual(exported, sorted(name for _, name in recorded))
        versions = dict(re.findall(r"\s(skald_\w+)@@(\w+)", run("nm", "-D", SHARED)))
        self.assertEqual(versions, {name: version for version, name in recorded})

    @unittest.skipUnless(PLAIN, "a sanitizer adds names")
    def test_imports(self):
        imported = {name for name, _ in names("-D", "--undefined-only", SHARED)} - WEAK
        self.assertEqual(sorted(imported & NEVER), [])
        self.assertEqual(sorted(imported - IMPORTS), [])

    def test_lists_are_disjoint(self):
        self.assertEqual(IMPORTS & NEVER, set())

    @unittest.skipUnless(PLAIN, "a sanitizer adds names")
    def test_static_imports(self):
        """The static library asks for nothing that the shared one does not."""
        defined = {n for n, kind in names(STATIC) if kind not in "Uuw"}
        wanted = {n for n, kind in names("--undefined-only", STATIC) if kind == "U"} - defined
        self.assertEqual(sorted(wanted & NEVER), [])
        support = {n for n in wanted if n.startswith("__")} | {"_GLOBAL_OFFSET_TABLE_"}
        self.assertEqual(sorted(wanted - IMPORTS - support), [])

    def test_global_names_are_prefixed(self):
        loose = {n for n, kind in names("--defined-only", "--extern-only", STATIC)
                 if not n.startswith(("sk_", "skald_"))}
        if PLAIN:
            self.assertEqual(sorted(loose), [])

    @unittest.skipUnless(PLAIN, "a sanitizer adds data")
    def test_no_mutable_globals(self):
        """Nothing lies in .data or .bss; tables with addresses in them are .data.rel.ro."""
        mutable = [s for s in sections() if "W" in s[3] and "T" not in s[3] and s[2] > 0
                   and not s[1].startswith((".data.rel.ro", ".init_array", ".fini_array"))]
        self.assertEqual(mutable, [])
        local = [s for s in sections() if "T" in s[3] and s[2] > 0]
        self.assertEqual(len(local), THREAD_LOCAL, local)
        symbols = re.findall(r"\sTLS\s+\w+\s+\w+\s+\d+\s+(\S+)", run("readelf", "-sW", STATIC))
        self.assertEqual(len(set(symbols)), THREAD_LOCAL, symbols)

    @unittest.skipUnless(PLAIN, "a sanitizer adds constructors")
    def test_no_constructors(self):
        ours = [s for s in sections() if re.match(r"\.(init|fini)_array|\.ctors|\.dtors", s[1])]
        self.assertEqual(ours, [])

    def test_soname(self):
        version = re.search(r"^#define SKALD_ABI_VERSION (\d+)$", self.header, re.M).group(1)
        self.assertIn("[libskald.so.%s]" % version, run("readelf", "-dW", SHARED))

    def test_needs_libc_alone(self):
        needed = set(re.findall(r"\(NEEDED\).*\[(.+?)\]", run("readelf", "-dW", SHARED)))
        if PLAIN:
            self.assertEqual({n.split(".so")[0] for n in needed} - {"libc", "libm", "libpthread"},
                             {n for n in {"ld-linux-x86-64", "ld-linux-aarch64"}
                              if any(n in x for x in needed)})

    def test_no_executable_stack(self):
        for line in run("readelf", "-lW", SHARED).split("\n"):
            if "GNU_STACK" in line:
                self.assertNotIn("E", line.split()[-2])
                return
        self.fail("no GNU_STACK header")


if __name__ == "__main__":
    unittest.main()
