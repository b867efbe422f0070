/* SPDX-License-Identifier: MIT */
/*
 * expand HEAD.gguf OUT.gguf [SEED] - writes the whole model of a golden header to a file, for tests
 * that run the tool (tests/model/golden.c makes it).
 */
#include "model/golden.h"

#include <stdio.h>
#include <stdlib.h>

int main(int argc, char **argv)
{
    if (argc < 3)
        return fprintf(stderr, "usage: expand HEAD.gguf OUT.gguf [SEED]\n"), 2;
    size_t size;
    uint8_t *data = golden_expand(argv[1], argc > 3 ? strtoull(argv[3], NULL, 10) : 11, &size);
    FILE *out = fopen(argv[2], "wb");
    if (!out)
        return fprintf(stderr, "expand: cannot write %s\n", argv[2]), 1;
    int failed = fwrite(data, 1, size, out) != size;
    failed |= fclose(out) != 0;
    free(data);
    return failed;
}
