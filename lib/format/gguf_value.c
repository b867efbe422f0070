/* SPDX-License-Identifier: MIT */
/*
 * Values of metadata: as numbers, by key with a type and a range, and as text for people.
 *
 * Writers disagree about integer types (head counts come as u32, i32, u16 or bool), so any integer
 * whose value fits is taken for one. A text is never taken for a number.
 */
#include "base/portable.h"

#include "gguf_int.h"

/* ---- Single values --------------------------------------------------------------------------- */

bool sk_gguf_int_at(const sk_gguf_kv *kv, uint64_t i, int64_t *out)
{
    if (i >= kv->n)
        return false;
    switch (kv->type) {
    case SK_GGUF_U8:
    case SK_GGUF_BOOL:
        *out = ((const uint8_t *)kv->data)[i];
        return true;
    case SK_GGUF_I8:
        *out = ((const int8_t *)kv->data)[i];
        return true;
    case SK_GGUF_U16:
        *out = ((const uint16_t *)kv->data)[i];
        return true;
    case SK_GGUF_I16:
        *out = ((const int16_t *)kv->data)[i];
        return true;
    case SK_GGUF_U32:
        *out = ((const uint32_t *)kv->data)[i];
        return true;
    case SK_GGUF_I32:
        *out = ((const int32_t *)kv->data)[i];
        return true;
    case SK_GGUF_U64:
        *out = (int64_t)((const uint64_t *)kv->data)[i];
        return *out >= 0;
    case SK_GGUF_I64:
        *out = ((const int64_t *)kv->data)[i];
        return true;
    default:
        return false;
    }
}

bool sk_gguf_float_at(const sk_gguf_kv *kv, uint64_t i, double *out)
{
    int64_t integer;
    if (sk_gguf_int_at(kv, i, &integer))
        *out = (double)integer;
    else if (i < kv->n && kv->type == SK_GGUF_U64)
        *out = (double)((const uint64_t *)kv->data)[i];
    else if (i < kv->n && kv->type == SK_GGUF_F32)
        *out = (double)((const float *)kv->data)[i];
    else if (i < kv->n && kv->type == SK_GGUF_F64)
        *out = ((const double *)kv->data)[i];
    else
        return false;
    return true;
}

/* ---- By key ---------------------------------------------------------------------------------- */

static int32_t gguf_absent(const char *key, sk_error *e)
{
    return sk_fail(e, SKALD_E_NOT_FOUND, "the file has no metadata key %s", key);
}

static int32_t gguf_mistyped(const sk_gguf_kv *kv, const char *wanted, sk_error *e)
{
    return sk_fail(e, SKALD_E_CORRUPT, "the metadata key %s is of type %s, wanted %s", kv->key,
                   kv->type_name, wanted);
}

static int32_t gguf_int_in(const sk_gguf_kv *kv, int64_t min, int64_t max, int64_t *out,
                           sk_error *e)
{
    int64_t value;
    if (kv->is_array || !sk_gguf_int_at(kv, 0, &value))
        return gguf_mistyped(kv, "an integer of at most 63 bits", e);
    if (value < min || value > max)
        return sk_fail(e, SKALD_E_CORRUPT, "the metadata key %s is %lld, wanted %lld to %lld",
                       kv->key, (long long)value, (long long)min, (long long)max);
    *out = value;
    return SKALD_OK;
}

int32_t sk_gguf_part_int(const sk_gguf_part *part, const char *key, int64_t min, int64_t max,
                         int64_t *out, sk_error *e)
{
    const sk_gguf_kv *kv = sk_gguf_part_find(part, key);
    return kv ? gguf_int_in(kv, min, max, out, e) : gguf_absent(key, e);
}

int32_t sk_gguf_get_int(const sk_gguf *g, const char *key, int64_t min, int64_t max, int64_t *out,
                        sk_error *e)
{
    const sk_gguf_kv *kv = sk_gguf_find(g, key);
    return kv ? gguf_int_in(kv, min, max, out, e) : gguf_absent(key, e);
}

int32_t sk_gguf_get_float(const sk_gguf *g, const char *key, double min, double max, double *out,
                          sk_error *e)
{
    const sk_gguf_kv *kv = sk_gguf_find(g, key);
    double value;
    if (!kv)
        return gguf_absent(key, e);
    if (kv->is_array || !sk_gguf_float_at(kv, 0, &value))
        return gguf_mistyped(kv, "a number", e);
    if (!(value >= min && value <= max)) /* NaN too */
        return sk_fail(e, SKALD_E_CORRUPT, "the metadata key %s is %g, wanted %g to %g", key, value,
                       min, max);
    *out = value;
    return SKALD_OK;
}

int32_t sk_gguf_get_bool(const sk_gguf *g, const char *key, bool *out, sk_error *e)
{
    const sk_gguf_kv *kv = sk_gguf_find(g, key);
    int64_t value;
    if (!kv)
        return gguf_absent(key, e);
    if (kv->is_array || !sk_gguf_int_at(kv, 0, &value) || value < 0 || value > 1)
        return gguf_mistyped(kv, "a bool", e);
    *out = value == 1;
    return SKALD_OK;
}

int32_t sk_gguf_get_string(const sk_gguf *g, const char *key, sk_gguf_string *out, sk_error *e)
{
    const sk_gguf_kv *kv = sk_gguf_find(g, key);
    if (!kv)
        return gguf_absent(key, e);
    if (kv->is_array || !kv->strings)
        return gguf_mistyped(kv, "a string", e);
    *out = kv->strings[0];
    return SKALD_OK;
}

/* ---- As text --------------------------------------------------------------------------------- */

/* What fits is written, all is counted. */
typedef struct gguf_text {
    char *out;
    uint64_t size, n;
} gguf_text;

static void gguf_say(gguf_text *t, const char *text, uint64_t n)
{
    for (uint64_t i = 0; i < n && t->n + i + 1 < t->size; i++)
        t->out[t->n + i] = text[i];
    t->n += n;
}

static void gguf_say_value(gguf_text *t, const sk_gguf_kv *kv, uint64_t i)
{
    char number[32];
    int64_t integer = 0;
    double value = 0;
    size_t n;
    if (kv->strings) {
        gguf_say(t, kv->strings[i].text, kv->strings[i].n);
        return;
    }
    if (kv->type == SK_GGUF_BOOL)
        n = sk_format(number, sizeof number, "%s",
                      ((const uint8_t *)kv->data)[i] ? "true" : "false");
    else if (kv->type == SK_GGUF_U64)
        n = sk_format(number, sizeof number, "%llu",
                      (unsigned long long)((const uint64_t *)kv->data)[i]);
    else if (sk_gguf_int_at(kv, i, &integer))
        n = sk_format(number, sizeof number, "%lld", (long long)integer);
    else
        n = sk_gguf_float_at(kv, i, &value) ? sk_format_double(number, value) : 0;
    gguf_say(t, number, n);
}

uint64_t sk_gguf_kv_text(const sk_gguf_kv *kv, char *buffer, uint64_t size)
{
    gguf_text t = {buffer, size, 0};
    gguf_say(&t, "[", kv->is_array ? 1 : 0);
    for (uint64_t i = 0; i < kv->n; i++) {
        gguf_say(&t, ", ", i > 0 ? 2 : 0);
        gguf_say_value(&t, kv, i);
    }
    gguf_say(&t, "]", kv->is_array ? 1 : 0);
    if (size > 0)
        buffer[t.n < size ? t.n : size - 1] = 0;
    return t.n;
}
