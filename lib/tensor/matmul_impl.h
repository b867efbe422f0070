/* SPDX-License-Identifier: MIT */
/*
 * The matrix product of the numeric contract, a template for the tiers. Every output is one sum
 * with one order (CONTRACT.md), whatever the call's rows and columns, so a call may be cut
 * anywhere.
 */
static void TIER(matmul)(const sk_matmul *m, int64_t row0, int64_t row1, int64_t col0, int64_t col1)
{
    const sk_coding *f = sk_coding_get(m->dtype);
    if (!f->known)
        return;
    if (!f->group)
        TIER(matmul_floats)(m, row0, row1, col0, col1);
    else
#if LANES
        TIER(matmul_panels)(m, row0, row1, col0, col1);
#else
        TIER(matmul_quants)(m, row0, row1, col0, col1);
#endif
}
