/* SPDX-License-Identifier: MIT */
/*
 * Unpacking a panel of rows of the types with codebooks (IQ1, IQ2, IQ3), 32 weights of all rows at
 * a time: the places in the codebook, for four or eight entries, are computed in vectors; an entry
 * is fetched for each row by itself, since a gather instruction is no faster; its codes are spread
 * to bytes in vectors again, and a table of sixteen bytes gives the value of a code and its sign
 * together. One body for all types, guided by sk_grid_type (iq.h): fetching is what takes the time.
 */

/* Number i of a field, in the low bits of each lane. */
SK_INLINE vi TIER(grid_number)(const sk_grid_field *f, const uint8_t *w, size_t row_size,
                               unsigned i)
{
    const vi x = TIER(far_words)(w + f->at + (size_t)f->step * (i / f->per), row_size);
    return vi_shr(x, f->shift + f->bits * (i % f->per)) & vi_splat(f->mask);
}

/* Scales are 2 s + 1, for 16 or 32 weights. */
static SK_APART void TIER(grid_head)(TIER(panel) * p, const sk_grid_type *t, int sub,
                                     const uint8_t *w, size_t row_size)
{
    for (unsigned k = 0; k < 16; k++) {
        const unsigned i = sub == 32 ? k / 2 : k;
        const vi s = vi_shl(TIER(grid_number)(&t->scale, w, row_size, i), 1) + vi_splat(1);
        vi_store(p->scale[k], vi_factor(s));
        if (!LANES_BIAS)
            continue;
        const vi fix = vi_shl(s, 7);
        vi_store(p->pair[i / 2], i % 2 ? vi_load(p->pair[i / 2]) | vi_shl(fix, 16) : fix);
    }
    const vf factor = (vf)vi_splat(sk_f32_bits(t->factor));
    if (t->dtype != SK_IQ1_M) {
        vf_store(p->d[0], TIER(far_halves)(w, row_size) * factor);
        return;
    }
    const vi a = TIER(far_words)(w + 48, row_size), b = TIER(far_words)(w + 52, row_size);
    const vi d = (vi_shr(a, 12) & vi_splat(0x000f)) | (vi_shr(a, 24) & vi_splat(0x00f0)) |
                 (vi_shr(b, 4) & vi_splat(0x0f00)) | (vi_shr(b, 16) & vi_splat(0xf000));
    vf_store(p->d[0], vf_half(d) * factor);
}

/* Four bytes of seven bits, and the eighth that makes the number of set ones even. */
SK_INLINE vi TIER(even_signs)(vi x)
{
    vi t = x ^ (vi_shr(x, 4) & vi_bytes(15));
    t ^= vi_shr(t, 2);
    t ^= vi_shr(t, 1);
    return x | vi_shl(t & vi_bytes(1), 7);
}

/* 32 bits for the signs of 32 weights, from the word that has them. */
SK_INLINE vi TIER(grid_signs)(int kind, vi x)
{
    switch (kind) {
    case SK_SIGNS_SEVEN:
        return TIER(even_signs)((x & vi_splat(0x7f)) | (vi_shl(x, 1) & vi_splat(0x7f00)) |
                                (vi_shl(x, 2) & vi_splat(0x7f0000)) |
                                (vi_shl(x, 3) & vi_splat(0x7f000000)));
    case SK_SIGNS_ONE:
        return vi_sar(x, 31);
    case SK_SIGNS_NIBBLES: {
        const vi one = (vi_shr(x, 19) & vi_splat(1)) | (vi_shr(x, 15) & vi_splat(0x100)) |
                       (vi_shr(x, 11) & vi_splat(0x10000)) | (vi_shr(x, 7) & vi_splat(0x1000000));
        return vi_shl(one, 8) - one;
    }
    default:
        return x;
    }
}

/* The places of the entries of 32 weights, and their signs. */
SK_INLINE vi TIER(grid_places)(const sk_grid_type *t, const uint8_t *w, size_t row_size, unsigned g,
                               vi *at)
{
    const uint8_t *index = w + t->index.at + (size_t)t->index.step * g;
    const vi x = TIER(far_words)(index, row_size);
    if (t->signs == SK_SIGNS_WITH) {
        const vi y = TIER(far_words)(index + 4, row_size), mask = vi_splat(511);
        at[0] = x & mask;
        at[1] = vi_shr(x, 16) & mask;
        at[2] = y & mask;
        at[3] = vi_shr(y, 16) & mask;
        return TIER(even_signs)(
            (vi_shr(x, 9) & vi_splat(0x7f)) | (vi_shr(x, 17) & vi_splat(0x7f00)) |
            (vi_shl(y, 7) & vi_splat(0x7f0000)) | (vi_shr(y, 1) & vi_splat(0x7f000000)));
    }
    const unsigned n = t->bits == 3 ? 8 : 4;
    const vi y = n == 8 ? TIER(far_words)(index + 4, row_size) : x;
    vi high = {0};
    if (t->high.mask)
        high = TIER(far_words)(w + t->high.at + (size_t)t->high.step * g, row_size);
    for (unsigned l = 0; l < n; l++) {
        const vi more = vi_shr(high, t->high.shift + t->high.bits * l) & vi_splat(t->high.mask);
        at[l] = TIER(byte_of)(l < 4 ? x : y, l % 4) | vi_shl(more, 8);
    }
    return TIER(grid_signs)(t->signs,
                            TIER(far_words)(w + t->sign.at + (size_t)t->sign.step * g, row_size));
}

/* Four 3-bit codes to bytes. */
SK_INLINE vi TIER(spread_3)(vi x)
{
    x = (x & vi_splat(0x3f)) | vi_shl(x & vi_splat(0xfc0), 10);
    return (x & vi_splat(0x00070007)) | vi_shl(x & vi_splat(0x00380038), 5);
}

/* The codes of 32 weights. */
SK_INLINE void TIER(grid_codes)(const sk_grid_type *t, const vi *at, vi *out)
{
    const unsigned n = t->bits == 3 ? 8 : 4;
    for (unsigned l = 0; l < n; l++) {
        _Alignas(4 * LANES) uint32_t x[LANES];
        vi_store(x, at[l]);
        SK_UNROLL
        for (int r = 0; r < LANES; r++)
            x[r] = t->grid[x[r]];
        const vi entry = vi_load(x);
        if (n == 8) {
            out[l] = TIER(spread_3)(entry);
        } else {
            out[2 * l] = TIER(spread_2)(entry & vi_splat(255));
            out[2 * l + 1] = TIER(spread_2)(vi_shr(entry, 8));
        }
    }
}

static SK_APART void TIER(grid_part)(TIER(panel) * p, const sk_grid_type *t, const uint8_t *w,
                                     size_t row_size, unsigned g)
{
    const vi table = vi_table(t->values, LANES_BIAS), sign = vi_bytes(1 << t->bits);
    vi at[8], out[8];
    const vi signs = TIER(grid_places)(t, w, row_size, g, at);
    TIER(grid_codes)(t, at, out);
    SK_UNROLL
    for (int j = 0; j < 8; j++)
        vi_store(p->q[8 * g + (unsigned)j], vi_look_up(table, out[j] | vi_bits(signs, j, sign)));
}

static bool TIER(grid_unpack)(int dtype, TIER(panel) * p, const uint8_t *w, size_t row_size)
{
    const sk_grid_type *t = sk_grid_type_get(dtype);
    if (!t)
        return false;
    p->bias = LANES_BIAS;
    p->room = 1;
    TIER(grid_head)(p, t, TIER(panel_sub)(dtype), w, row_size);
    for (unsigned g = 0; g < 8; g++)
        TIER(grid_part)(p, t, w, row_size, g);
    return true;
}
