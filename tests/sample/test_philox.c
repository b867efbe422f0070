/* SPDX-License-Identifier: MIT */
/* Philox4x32-10 against the known answers that Random123 publishes, and the draw made of it. */
#include "base/portable.h"

#include "sample/philox.h"
#include "test.h"

static const struct {
    uint32_t counter[4], key[2], out[4];
} known[] = {
    {{0, 0, 0, 0}, {0, 0}, {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
    {{0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff},
     {0xffffffff, 0xffffffff},
     {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
    {{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344},
     {0xa4093822, 0x299f31d0},
     {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}},
};

static void check_known(void)
{
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        uint32_t out[4];
        sk_philox(known[i].counter, known[i].key, out);
        for (int w = 0; w < 4; w++)
            CHECKF(out[w] == known[i].out[w], "vector %zu word %d is %08x, wanted %08x", i, w,
                   (unsigned)out[w], (unsigned)known[i].out[w]);
    }
}

/* Where the words of a draw go, with the published vectors as draws. */
static void check_mapping(void)
{
    CHECK(sk_random_u01(0, 0, 0) == (double)(0xe169c58d6627e8d5 >> 11) * 0x1p-53);
    const uint32_t counter[4] = {0x01234567, 0x89abcdef, 7, 0};
    const uint32_t key[2] = {0xdeadbeef, 0xfeedface};
    uint32_t out[4];
    sk_philox(counter, key, out);
    uint64_t bits = (uint64_t)out[1] << 32 | out[0];
    CHECK(sk_random_u01(0xfeedfacedeadbeef, 0x89abcdef01234567, 7) ==
          (double)(bits >> 11) / 9007199254740992.0);
}

/* 16 equal bins, 15 degrees of freedom: chi-square above 37.7 has probability 0.001. */
static double chi_square_16(uint64_t seed_step, uint64_t position_step, uint32_t sampler_step)
{
    enum { N = 16000 };
    uint32_t bins[16] = {0};
    for (uint32_t i = 0; i < N; i++) {
        double u = sk_random_u01(i * seed_step, i * position_step, i * sampler_step);
        CHECK(u >= 0 && u < 1);
        bins[(int)(u * 16)]++;
    }
    double chi = 0;
    for (int i = 0; i < 16; i++)
        chi += ((double)bins[i] - N / 16) * ((double)bins[i] - N / 16) / (N / 16);
    return chi;
}

static void check_uniform(void)
{
    CHECKF(chi_square_16(1, 0, 0) < 37.7, "over seeds: %g", chi_square_16(1, 0, 0));
    CHECKF(chi_square_16(0, 1, 0) < 37.7, "over positions: %g", chi_square_16(0, 1, 0));
    CHECKF(chi_square_16(0, 0, 1) < 37.7, "over samplers: %g", chi_square_16(0, 0, 1));
    CHECKF(chi_square_16((uint64_t)1 << 32, (uint64_t)1 << 32, 0) < 37.7, "over high words: %g",
           chi_square_16((uint64_t)1 << 32, (uint64_t)1 << 32, 0));
    CHECKF(chi_square_16(0, 0, 0) > 37.7, "one number cannot be uniform");
}

int main(void)
{
    check_known();
    check_mapping();
    check_uniform();
    return test_end();
}
