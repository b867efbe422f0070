/* SPDX-License-Identifier: MIT */
/*
 * The activation quantiser of every tier: against the contract's formula evaluated in double and
 * with the C library's rounding, against the reference's own quantisers (whose roundings differ by
 * at most one step), at extreme magnitudes, and for values that are not finite.
 */
#include "test.h"
#include "base/bytes.h"
#include "tensor/act.h"
#include "tensor/half.h"

#include <float.h>
#include <math.h>

enum { N = 1024 };

static _Alignas(64) uint8_t row[4 * N];

static void check_row(const sk_kernels *k, int kind, const float *x, int64_t n, const char *what)
{
    const int block = kind == SK_ACT_Q32 ? 32 : 256, part = kind == SK_ACT_Q32 ? 32 : 16;
    memset(row, 0x5a, sizeof row);
    CHECK_INT(k->quantise(kind, x, n, row), 0);
    const sk_act_row r = sk_act_view(kind, row, n);
    CHECK((const uint8_t *)(r.sum + n / part) <= row + sk_act_row_size(kind, n));
    CHECK((const uint8_t *)(r.sum32 + n / 32) <= row + sk_act_row_size(kind, n));
    int64_t wrong = 0;
    for (int64_t b = 0; b < n / block; b++) {
        double most = 0;
        for (int i = 0; i < block; i++)
            most = fmax(most, fabs((double)x[b * block + i]));
        const float ratio = (float)(most / 127.0), d = ratio >= FLT_MIN ? ratio : 0;
        const float id = d > 0 ? (float)(1.0 / (double)d) : 0;
        wrong += r.d[b] < d || r.d[b] > d;
        for (int i = 0; i < block; i++) {
            const float scaled = (float)((double)x[b * block + i] * (double)id);
            const double code = fmax(-127, fmin(127, nearbyint((double)scaled)));
            wrong += r.code[b * block + i] != (int)code;
        }
    }
    for (int64_t p = 0; p < n / part; p++) {
        int sum = 0;
        for (int i = 0; i < part; i++)
            sum += r.code[p * part + i];
        wrong += r.sum[p] != sum;
    }
    for (int64_t p = 0; p < n / 32; p++) {
        int sum = 0;
        for (int i = 0; i < 32; i++)
            sum += r.code[p * 32 + i];
        wrong += r.sum32[p] != sum;
    }
    CHECKF(wrong == 0, "tier %s, kind %d, %s: %lld differ", k->name, kind, what, (long long)wrong);
}

static void check_formula(const sk_kernels *k, int kind)
{
    static float x[N];
    uint64_t seed = 7;
    for (int e = -149; e <= 127; e += e < -110 ? 1 : 9) {
        char what[32];
        snprintf(what, sizeof what, "around 2^%d", e);
        for (int i = 0; i < N; i++)
            x[i] = (float)ldexp((double)(int64_t)test_random(&seed) * 0x1p-63, e);
        check_row(k, kind, x, N, what);
        check_row(k, kind, x, 256, what);
    }
    for (int i = 0; i < N; i++) /* ties: multiples of half a step, the largest being 127 steps */
        x[i] = i % 16 == 0 ? 127 : (float)(i % 255 - 127) + 0.5f;
    check_row(k, kind, x, N, "ties");
    for (int i = 0; i < N; i++)
        x[i] = i < 512 ? -FLT_MAX : i < 768 ? -0.0f : FLT_MAX * 0.37f;
    check_row(k, kind, x, N, "the largest floats and zeros");
}

static void check_not_finite(const sk_kernels *k, int kind)
{
    static float x[N];
    const float bad[] = {INFINITY, -INFINITY, NAN, -NAN};
    for (int i = 0; i < 4; i++)
        for (int at = 0; at < N; at += 341) {
            memset(x, 0, sizeof x);
            CHECK_INT(k->quantise(kind, x, N, row), 0);
            x[at] = bad[i];
            CHECKF(k->quantise(kind, x, N, row) == -1, "kind %d, at %d", kind, at);
        }
}

/* F32 rows are copies, of any length. */
static void check_floats(const sk_kernels *k)
{
    float x[37];
    for (int i = 0; i < 37; i++)
        x[i] = (float)i - 18.25f;
    for (int n = 0; n <= 37; n++) {
        memset(row, 0x5a, sizeof row);
        CHECK_INT(k->quantise(SK_ACT_F32, x, n, row), 0);
        CHECK(memcmp(row, x, (size_t)n * sizeof *x) == 0 && row[n * 4] == 0x5a);
        CHECK_INT(sk_act_row_size(SK_ACT_F32, n), (n * 4 + 63) / 64 * 64);
    }
}

/* A line of golden_dequant.txt: the reference rounds halves away from zero, and Q8_K multiplies
 * with 127 / x of the other sign, so codes may differ by one and scales in the last bits. */
static void check_reference(const sk_kernels *k, int id, int n, const char *bytes, const char *bits)
{
    const int kind = id == SK_Q8_0 ? SK_ACT_Q32 : SK_ACT_Q256, head = id == SK_Q8_0 ? 2 : 4;
    float x[256];
    uint8_t block[512];
    uint32_t u;
    for (int i = 0; i < n && sscanf(bits + 8 * i, "%8" SCNx32, &u) == 1; i++)
        x[i] = sk_f32_from_bits(u);
    for (int i = 0; i < head + n && sscanf(bytes + 2 * i, "%2" SCNx32, &u) == 1; i++)
        block[i] = (uint8_t)u;
    CHECK_INT(k->quantise(kind, x, n, row), 0);
    const sk_act_row r = sk_act_view(kind, row, n);
    const float scale =
        id == SK_Q8_0 ? sk_f16_to_f32(sk_le16(block)) : sk_f32_from_bits(sk_le32(block));
    const double step = id == SK_Q8_0 ? 0x1p-11 : 0x1p-22;
    CHECK(fabs(fabs((double)scale) - (double)r.d[0]) <= step * (double)r.d[0]);
    int differ = 0, far = 0;
    for (int i = 0; i < n; i++) {
        const int wanted = (int8_t)block[head + i] * (scale < 0 ? -1 : 1);
        differ += r.code[i] != wanted;
        far += abs(r.code[i] - wanted) > 1;
    }
    CHECKF(far == 0 && differ <= n / 8, "type %d: %d differ, %d by more than 1", id, differ, far);
}

static void check_golden(const sk_kernels *k)
{
    char *text = (char *)test_read(test_data("tensor/golden_dequant.txt"), NULL);
    int n_line = 0;
    for (char *s = strtok(text, "\n"); s; s = strtok(NULL, "\n")) {
        static char bytes[2049], bits[2049];
        int id, n;
        if (sscanf(s, "quantise %d %d %2048s %2048s", &id, &n, bytes, bits) != 4)
            continue;
        check_reference(k, id, n, bytes, bits);
        n_line++;
    }
    CHECK_INT(n_line, 8);
    free(text);
}

int main(void)
{
    bool runs;
    for (int i = 0; sk_kernels_at(i, &runs); i++) {
        const sk_kernels *k = sk_kernels_at(i, &runs);
        if (!runs)
            continue;
        for (int kind = SK_ACT_F32; kind <= SK_ACT_Q256; kind++)
            check_not_finite(k, kind);
        check_formula(k, SK_ACT_Q32);
        check_formula(k, SK_ACT_Q256);
        check_floats(k);
        check_golden(k);
    }
    return test_end();
}
