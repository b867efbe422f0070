/* SPDX-License-Identifier: MIT */
/*
 * Dequantisation against vectors computed by the reference, bit for bit (golden_dequant.txt, made
 * by golden_dequant.py): all types, subnormal and large scales, special scale bytes. Every block is
 * also decoded at an odd address, and as the middle of a row of blocks.
 */
#include "test.h"
#include "base/bytes.h"
#include "tensor/kernels.h"
#include "tensor/types.h"

enum { MAX_WEIGHTS = 256, MAX_BYTES = 1024 };

static int hex_bytes(const char *s, uint8_t *out)
{
    int n = 0;
    for (unsigned byte; n < MAX_BYTES && sscanf(s + 2 * n, "%2x", &byte) == 1; n++)
        out[n] = (uint8_t)byte;
    return n;
}

static void compare(const char *type, int line, const float *found, const uint32_t *wanted, int n)
{
    for (int i = 0; i < n; i++)
        if (sk_f32_bits(found[i]) != wanted[i]) {
            CHECKF(0, "line %d, %s, weight %d: %08x, wanted %08x", line, type, i,
                   sk_f32_bits(found[i]), wanted[i]);
            return;
        }
    CHECK(1);
}

static void check_block(const char *type, int line, int id, const uint8_t *block, int n_byte,
                        const uint32_t *wanted, int n)
{
    static uint8_t shifted[3 * MAX_BYTES + 1];
    static float found[3 * MAX_WEIGHTS];
    memset(shifted, 0x5a, sizeof shifted);
    for (int k = 0; k < 3; k++)
        memcpy(shifted + 1 + k * n_byte, block, (size_t)n_byte);
    CHECKF(sk_dequantise(id, shifted + 1, found, 3 * n), "%s", type);
    for (int k = 0; k < 3; k++)
        compare(type, line, found + k * n, wanted, n);
}

static void check_golden(bool *seen)
{
    size_t size;
    char *text = (char *)test_read(test_data("tensor/golden_dequant.txt"), &size);
    int line = 0;
    for (char *s = strtok(text, "\n"); s; s = strtok(NULL, "\n")) {
        static char type[32], bytes[2 * MAX_BYTES + 1], bits[8 * MAX_WEIGHTS + 1];
        uint8_t block[MAX_BYTES];
        uint32_t wanted[MAX_WEIGHTS];
        int id, n;
        line++;
        CHECK_INT(sscanf(s, "%31s %d %d %2048s %2048s", type, &id, &n, bytes, bits), 5);
        if (strcmp(type, "quantise") == 0)
            continue;
        const int n_byte = hex_bytes(bytes, block);
        for (int i = 0; i < n; i++)
            sscanf(bits + 8 * i, "%8" SCNx32, &wanted[i]);
        const sk_dtype *t = sk_dtype_get((uint64_t)id);
        CHECKF(t && strcmp(t->name, type) == 0, "id %d is %s", id, type);
        CHECKF(t && (uint32_t)n_byte == t->n_byte * ((uint32_t)n / t->n_elem), "%s", type);
        check_block(type, line, id, block, n_byte, wanted, n);
        seen[id] = true;
    }
    free(text);
}

static void check_table(const bool *seen)
{
    uint8_t zero[1024] = {0};
    float dst[256];
    for (int id = -1; id <= SK_DTYPE_END; id++) {
        const sk_dtype *t = id < 0 ? NULL : sk_dtype_get((uint64_t)id);
        const bool integer = id >= SK_I8 && id <= SK_I64;
        const bool wanted = t && !integer && id != SK_Q8_1 && id != SK_Q8_K;
        CHECKF(sk_dequantise(id, zero, dst, t ? t->n_elem : 1) == wanted, "type %d", id);
        if (wanted && id != SK_F32 && id != SK_F64)
            CHECKF(seen[id], "no vectors for type %d", id);
        CHECKF(!t || t->weight == (wanted && id != SK_F64), "type %d is a weight", id);
    }
}

static void check_wide(void)
{
    const uint8_t single[8] = {0xdb, 0x0f, 0x49, 0x40, 1, 0, 0, 0x80};
    const uint8_t twice[8] = {0x18, 0x2d, 0x44, 0x54, 0xfb, 0x21, 0x09, 0x40};
    float dst[2];
    CHECK(sk_dequantise(SK_F32, single, dst, 2));
    CHECK_INT(sk_f32_bits(dst[0]), 0x40490fdb);
    CHECK_INT(sk_f32_bits(dst[1]), 0x80000001);
    CHECK(sk_dequantise(SK_F64, twice, dst, 1));
    CHECK_INT(sk_f32_bits(dst[0]), 0x40490fdb);
}

int main(void)
{
    bool seen[SK_DTYPE_END] = {false};
    check_golden(seen);
    check_table(seen);
    check_wide();
    return test_end();
}
