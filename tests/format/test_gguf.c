/* SPDX-License-Identifier: MIT */
/* The GGUF reader on sound files: values, getters, texts, tensors, versions, all kinds of source.
 */
#include "gguf_bytes.h"

static bytes file;
static sk_error error;

static void check_ints(const sk_gguf *g)
{
    static const struct {
        const char *key;
        int64_t value;
    } cases[] = {
        {"t.u8", 255},         {"t.i8", INT8_MIN},   {"t.u16", 65535},     {"t.i16", INT16_MIN},
        {"t.u32", UINT32_MAX}, {"t.i32", INT32_MIN}, {"t.i64", INT64_MIN}, {"t.bool", 1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        int64_t value = 7;
        CHECK_INT(sk_gguf_get_int(g, cases[i].key, INT64_MIN, INT64_MAX, &value, &error), 0);
        CHECKF(value == cases[i].value, "%s is %" PRId64, cases[i].key, value);
    }
}

static void check_refusals(const sk_gguf *g)
{
    int64_t i = 7;
    double f = 7;
    bool b = true;
    sk_gguf_string s = {"x", 1};
    CHECK_INT(sk_gguf_get_int(g, "t.none", 0, 1, &i, &error), SKALD_E_NOT_FOUND);
    CHECK_STR(error.text, "the file has no metadata key t.none");
    CHECK_INT(sk_gguf_get_float(g, "t.none", 0, 1, &f, &error), SKALD_E_NOT_FOUND);
    CHECK_INT(sk_gguf_get_bool(g, "t.none", &b, &error), SKALD_E_NOT_FOUND);
    CHECK_INT(sk_gguf_get_string(g, "t.none", &s, &error), SKALD_E_NOT_FOUND);
    CHECK_INT(sk_gguf_get_string(g, "t.none", &s, NULL), SKALD_E_NOT_FOUND);
    CHECK_INT(sk_gguf_get_int(g, "t.u64", INT64_MIN, INT64_MAX, &i, &error), SKALD_E_CORRUPT);
    CHECK_INT(sk_gguf_get_int(g, "t.u8", 0, 254, &i, &error), SKALD_E_CORRUPT);
    CHECK_STR(error.text, "the metadata key t.u8 is 255, wanted 0 to 254");
    CHECK_INT(sk_gguf_get_int(g, "t.i8", 0, 254, &i, &error), SKALD_E_CORRUPT);
    CHECK_INT(sk_gguf_get_int(g, "t.f32", 0, 254, &i, &error), SKALD_E_CORRUPT);
    CHECK_INT(sk_gguf_get_int(g, "a.i16", -9, 9, &i, &error), SKALD_E_CORRUPT);
    CHECK_INT(sk_gguf_get_int(g, "general.architecture", 0, 254, &i, &error), SKALD_E_CORRUPT);
    CHECK_INT(sk_gguf_get_float(g, "t.f32", 0, 1, &f, &error), SKALD_E_CORRUPT);
    CHECK_INT(sk_gguf_get_float(g, "a.f32", 0, 1, &f, &error), SKALD_E_CORRUPT);
    CHECK_INT(sk_gguf_get_float(g, "t.empty", 0, 1, &f, &error), SKALD_E_CORRUPT);
    CHECK_INT(sk_gguf_get_bool(g, "t.u8", &b, &error), SKALD_E_CORRUPT);
    CHECK_INT(sk_gguf_get_string(g, "t.u8", &s, &error), SKALD_E_CORRUPT);
    CHECK_STR(error.text, "the metadata key t.u8 is of type u8, wanted a string");
    CHECK_INT(sk_gguf_get_string(g, "a.text", &s, &error), SKALD_E_CORRUPT);
    CHECK(i == 7 && f == 7 && b && s.n == 1);
}

static void check_values(const sk_gguf *g)
{
    double f = 0;
    bool b = false;
    sk_gguf_string s;
    CHECK_INT(sk_gguf_get_float(g, "t.f32", -9, 9, &f, &error), 0);
    CHECK(f == 1.5);
    CHECK_INT(sk_gguf_get_float(g, "t.f64", -9, 9, &f, &error), 0);
    CHECK(f == -2);
    CHECK_INT(sk_gguf_get_float(g, "t.u64", 0, 1e30, &f, &error), 0);
    CHECK(f == 18446744073709551616.0);
    CHECK_INT(sk_gguf_get_float(g, "t.i8", -1000, 9, &f, &error), 0);
    CHECK(f == -128);
    CHECK_INT(sk_gguf_get_bool(g, "t.bool", &b, &error), 0);
    CHECK(b);
    CHECK_INT(sk_gguf_get_string(g, "general.architecture", &s, &error), 0);
    CHECK(s.n == 5 && strcmp(s.text, "llama") == 0);
    CHECK_INT(sk_gguf_get_string(g, "t.empty", &s, &error), 0);
    CHECK(s.n == 0 && s.text[0] == 0);
}

static void check_arrays(const sk_gguf *g)
{
    const sk_gguf_kv *kv = sk_gguf_find(g, "a.i16");
    int64_t i = 0;
    double f = 0;
    CHECK(kv && kv->is_array && kv->type == SK_GGUF_I16 && kv->n == 3 && !kv->strings);
    CHECK(((const int16_t *)kv->data)[0] == -3 && ((const int16_t *)kv->data)[1] == 2);
    CHECK(sk_gguf_int_at(kv, 2, &i) && i == -1);
    CHECK(!sk_gguf_int_at(kv, 3, &i) && !sk_gguf_float_at(kv, 3, &f));
    kv = sk_gguf_find(g, "a.bool");
    CHECK(sk_gguf_int_at(kv, 0, &i) && i == 0 && sk_gguf_int_at(kv, 1, &i) && i == 1);
    kv = sk_gguf_find(g, "a.f32");
    CHECK(sk_gguf_float_at(kv, 1, &f) && f == 2 && !sk_gguf_int_at(kv, 1, &i));
    kv = sk_gguf_find(g, "a.text");
    CHECK(kv->n == 3 && !kv->data && kv->strings[2].n == 5);
    CHECK_STR(kv->strings[0].text, "one");
    CHECK_STR(kv->strings[1].text, "");
    CHECK_STR(kv->strings[2].text, "three");
    CHECK(!sk_gguf_int_at(kv, 0, &i) && !sk_gguf_float_at(kv, 0, &f));
}

static void check_texts(const sk_gguf *g)
{
    static const struct {
        const char *key, *type, *text;
    } cases[] = {
        {"t.u8", "u8", "255"},
        {"t.i8", "i8", "-128"},
        {"t.u32", "u32", "4294967295"},
        {"t.f32", "f32", "1.5"},
        {"t.f64", "f64", "-2"},
        {"t.bool", "bool", "true"},
        {"t.u64", "u64", "18446744073709551615"},
        {"t.i64", "i64", "-9223372036854775808"},
        {"general.architecture", "string", "llama"},
        {"a.i16", "array of i16[3]", "[-3, 2, -1]"},
        {"a.bool", "array of bool[2]", "[false, true]"},
        {"a.f32", "array of f32[2]", "[0, 2]"},
        {"a.text", "array of string[3]", "[one, , three]"},
        {"a.none", "array of u64[0]", "[]"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const sk_gguf_kv *kv = sk_gguf_find(g, cases[i].key);
        char text[64];
        size_t n = strlen(cases[i].text);
        CHECK_STR(kv->type_name, cases[i].type);
        CHECK_INT(sk_gguf_kv_text(kv, text, sizeof text), n);
        CHECK_STR(text, cases[i].text);
        CHECK_INT(sk_gguf_kv_text(kv, NULL, 0), n);
        for (size_t size = 1; size <= n + 1; size++) {
            memset(text, '#', sizeof text);
            CHECK_INT(sk_gguf_kv_text(kv, text, size), n);
            CHECK(strlen(text) == size - 1 && strncmp(text, cases[i].text, size - 1) == 0);
            CHECK(text[size] == '#');
        }
    }
}

static void check_tensors(const sk_gguf *g, bool in_memory)
{
    const sk_gguf_tensor *t = sk_gguf_tensor_find(g, "token_embd.weight");
    uint8_t found[128];
    CHECK_INT(sk_gguf_n_tensors(g), 3);
    CHECK(t && t == sk_gguf_tensor_at(g, 0) && !sk_gguf_tensor_at(g, 3));
    CHECK(!sk_gguf_tensor_find(g, "token_embd"));
    CHECK(t->dtype == SK_F32 && t->n_dims == 2 && t->ne[0] == 4 && t->ne[1] == 3 && t->ne[2] == 1 &&
          t->ne[3] == 1 && t->size == 48 && t->file == 0);
    CHECK_INT(sk_gguf_tensor_read(g, t, 0, found, 48, &error), 0);
    CHECK(found[0] == 0 && found[2] == 1 && found[46] == 23);
    t = sk_gguf_tensor_find(g, "blk.0.q");
    CHECK(t->size == 68 && t->offset % 64 == 0);
    CHECK_INT(sk_gguf_tensor_read(g, t, 60, found, 8, &error), 0);
    CHECK(found[0] == 60 && found[7] == 67);
    CHECK_INT(sk_gguf_tensor_read(g, t, 60, found, 9, &error), SKALD_E_ARGUMENT);
    CHECK_INT(sk_gguf_tensor_read(g, t, UINT64_MAX, found, 9, &error), SKALD_E_ARGUMENT);
    const uint8_t *view = sk_gguf_tensor_view(g, t);
    CHECK(in_memory ? view && view[67] == 67 : !view);
    t = sk_gguf_tensor_find(g, "scalar");
    CHECK(t->n_dims == 0 && t->ne[0] == 1 && t->size == 2);
    sk_gguf_tensor_prefetch(g, t);
    CHECK_INT(sk_gguf_tensor_size(g), 48 + 68 + 2);
    CHECK_INT(sk_gguf_file_size(g), file.n);
    CHECK_INT(sk_gguf_n_files(g), 1);
    CHECK_INT(sk_gguf_check(g, &error), 0);
}

static void check_sample(sk_heap *heap, sk_source *source, const char *path, bool in_memory)
{
    sk_gguf *g;
    CHECKF(sk_gguf_open(&g, heap, source, path, in_memory, &error) == 0, "%s", error.text);
    if (!g)
        return;
    CHECK_INT(sk_gguf_n_kv(g), 19);
    CHECK_STR(sk_gguf_kv_at(g, 0)->key, "general.architecture");
    CHECK(!sk_gguf_kv_at(g, 19) && !sk_gguf_find(g, "general") && !sk_gguf_find(g, ""));
    check_ints(g);
    check_refusals(g);
    check_values(g);
    check_arrays(g);
    check_texts(g);
    check_tensors(g, in_memory);
    sk_gguf_close(g);
}

/* A host's reader of `file`, which fails from the k-th call on. */
static int calls, fail_at;

static int32_t read_file(void *user, uint64_t offset, void *out, size_t n)
{
    (void)user;
    if (++calls >= fail_at)
        return 5;
    memcpy(out, file.data + offset, n);
    return 0;
}

static const skald_reader *reader(int failing_call)
{
    static skald_reader table;
    table = (skald_reader){sizeof table, NULL, file.n, read_file};
    calls = 0;
    fail_at = failing_call;
    return &table;
}

static void check_failing_reads(sk_heap *heap)
{
    sk_source *source;
    sk_gguf *g;
    CHECK_INT(sk_source_open_reader(&source, heap, reader(1 << 30), &error), 0);
    check_sample(heap, source, NULL, false);
    CHECK_INT(sk_source_open_reader(&source, heap, reader(1), &error), 0);
    CHECK_INT(sk_gguf_open(&g, heap, source, NULL, false, &error), SKALD_E_IO);
    CHECK(!g);
}

/* A header of several windows, whose later reads fail one by one; its texts cross the edges. */
static void check_long_header(sk_heap *heap)
{
    size_t n = 40000, size = 24 + 100 + n * 16;
    uint8_t *data = calloc(1, size);
    sk_gguf *g;
    uint8_t *copy;
    put_head(&file, 3, 0, 1);
    put_array(&file, "tokens", SK_GGUF_STRING, n);
    memcpy(data, file.data, file.n);
    uint8_t *p = data + file.n;
    for (size_t i = 0; i < n; i++) {
        int length = snprintf((char *)p + 8, 8, "%zu", i);
        *p = (uint8_t)length;
        p += 8 + length;
    }
    CHECK_INT(open_bytes(&g, heap, data, (size_t)(p - data), &copy, &error), 0);
    const sk_gguf_kv *kv = g ? sk_gguf_find(g, "tokens") : NULL;
    int wrong = 0;
    for (size_t i = 0; kv && i < n; i++) {
        char wanted[8];
        int length = snprintf(wanted, sizeof wanted, "%zu", i);
        wrong += kv->strings[i].n != (uint64_t)length || strcmp(kv->strings[i].text, wanted) != 0;
    }
    CHECK(kv && kv->n == n);
    CHECK_INT(wrong, 0);
    sk_gguf_close(g);
    free(copy);
    free(data);
}

static void check_file(sk_heap *heap, bool map)
{
    char path[] = "/tmp/skald-test-XXXXXX";
    sk_source *source;
    FILE *f = fdopen(mkstemp(path), "wb");
    CHECK(f && fwrite(file.data, 1, file.n, f) == file.n);
    fclose(f);
    CHECK_INT(sk_source_open_file(&source, heap, path, map, &error), 0);
    check_sample(heap, source, path, map);
    remove(path);
}

int main(void)
{
    sk_heap heap;
    sk_source *source;
    sk_heap_init(&heap, NULL, 0, NULL);
    for (uint32_t version = 2; version <= 3; version++) {
        put_sample(&file, version);
        CHECK_INT(sk_source_open_memory(&source, &heap, file.data, file.n, &error), 0);
        check_sample(&heap, source, NULL, true);
    }
    check_failing_reads(&heap);
    check_file(&heap, true);
    check_file(&heap, false);
    check_long_header(&heap);
    sk_gguf_close(NULL);
    CHECK_INT(heap.live, 0);
    return test_end();
}
