/* SPDX-License-Identifier: MIT */
/*
 * The GGUF writer: what it writes, the reader reads back; a file read and written again is the
 * same bytes; what no reader would take is refused; split sets made with it open as one model.
 */
#include "gguf_bytes.h"

#include "format/gguf_write.h"

#include <unistd.h>

static sk_error error;

/* ---- Round trips ----------------------------------------------------------------------------- */

/* The sample of gguf_bytes.h, opened, put into a writer and written, has the same metadata byte for
 * byte, and the same tensors; only that the writer lays their data out in order. */
static void check_copy(sk_heap *heap)
{
    static bytes file;
    sk_gguf *g, *again;
    sk_gguf_writer *w;
    uint8_t *copy, *second;
    void *data;
    uint64_t n;
    char a[256], b[256];
    put_sample(&file, 3);
    CHECK_INT(open_bytes(&g, heap, file.data, file.n, &copy, &error), 0);
    CHECK_INT(sk_gguf_writer_new(&w, heap, &error), 0);
    for (uint64_t i = 0; i < sk_gguf_n_kv(g); i++)
        sk_gguf_put_kv(w, sk_gguf_kv_at(g, i));
    for (uint64_t i = 0; i < sk_gguf_n_tensors(g); i++) {
        const sk_gguf_tensor *t = sk_gguf_tensor_at(g, i);
        sk_gguf_put_tensor(w, t->name, t->dtype, t->n_dims, t->ne, sk_gguf_tensor_view(g, t));
    }
    CHECKF(sk_gguf_finish_memory(w, &data, &n, &error) == 0, "%s", error.text);
    CHECK(n % 64 == 0);
    const uint8_t *tensors = memmem(file.data, file.n, "token_embd", 10);
    CHECK(memcmp(data, file.data, (size_t)(tensors - file.data)) == 0); /* the metadata */
    CHECK_INT(open_bytes(&again, heap, data, n, &second, &error), 0);
    for (uint64_t i = 0; again && i < sk_gguf_n_kv(g); i++) {
        sk_gguf_kv_text(sk_gguf_kv_at(g, i), a, sizeof a);
        sk_gguf_kv_text(sk_gguf_kv_at(again, i), b, sizeof b);
        CHECK_STR(b, a);
        CHECK_STR(sk_gguf_kv_at(again, i)->type_name, sk_gguf_kv_at(g, i)->type_name);
    }
    for (uint64_t i = 0; again && i < sk_gguf_n_tensors(g); i++) {
        const sk_gguf_tensor *t = sk_gguf_tensor_at(g, i), *u = sk_gguf_tensor_at(again, i);
        CHECK_STR(u->name, t->name);
        CHECK(u->dtype == t->dtype && u->n_dims == t->n_dims && u->size == t->size &&
              memcmp(u->ne, t->ne, sizeof t->ne) == 0 && u->offset % 64 == 0);
        CHECK(memcmp(sk_gguf_tensor_view(again, u), sk_gguf_tensor_view(g, t), t->size) == 0);
    }
    sk_gguf_close(again);
    sk_gguf_close(g);
    sk_free(heap, data);
    sk_gguf_writer_free(w);
    free(copy);
    free(second);
}

/* A whole small file, byte for byte as the format's description has it. */
static void check_bytes(sk_heap *heap)
{
    static bytes wanted;
    const uint64_t ne[] = {2, 2};
    const float values[] = {0, 2, 0, 2};
    const sk_gguf_string texts[] = {{"a", 1}, {"", 0}};
    const uint16_t numbers[] = {1, 65535};
    sk_gguf_writer *w;
    void *data;
    uint64_t n;
    put_head(&wanted, 3, 2, 6);
    put_kv_text(&wanted, "name", "x");
    put_kv_int(&wanted, "i", SK_GGUF_I16, 0xFFFE, 2);
    put_kv_int(&wanted, "f", SK_GGUF_F32, 0x3FC00000, 4);
    put_kv_int(&wanted, "yes", SK_GGUF_BOOL, 1, 1);
    put_array(&wanted, "texts", SK_GGUF_STRING, 2);
    put_text(&wanted, "a");
    put_text(&wanted, "");
    put_array(&wanted, "numbers", SK_GGUF_U16, 2);
    put_int(&wanted, 0xFFFF0001, 4);
    put_tensor(&wanted, "t", SK_F32, 0, 2, DIM(2), DIM(2));
    put_tensor(&wanted, "zero", SK_F32, 32, 2, DIM(2), DIM(2));
    put_padding(&wanted, 32);
    put_int(&wanted, 0x4000000000000000, 8);
    put_int(&wanted, 0x4000000000000000, 8);
    put_zeros(&wanted, 48);
    CHECK_INT(sk_gguf_writer_new(&w, heap, &error), 0);
    sk_gguf_put_string(w, "name", "x", 1);
    sk_gguf_put_int(w, "i", SK_GGUF_I16, -2);
    sk_gguf_put_float(w, "f", SK_GGUF_F32, 1.5);
    sk_gguf_put_bool(w, "yes", true);
    sk_gguf_put_strings(w, "texts", texts, 2);
    sk_gguf_put_array(w, "numbers", SK_GGUF_U16, numbers, 2);
    sk_gguf_put_tensor(w, "t", SK_F32, 2, ne, values);
    sk_gguf_put_tensor(w, "zero", SK_F32, 2, ne, NULL);
    CHECKF(sk_gguf_finish_memory(w, &data, &n, &error) == 0, "%s", error.text);
    CHECK(n == wanted.n && memcmp(data, wanted.data, n) == 0);
    sk_free(heap, data);
    sk_gguf_writer_free(w);
}

/* ---- Refusals -------------------------------------------------------------------------------- */

static const uint64_t shape[] = {32, 2};
static const uint8_t weights[128]; /* of that shape, F16 */

static void bad_int(sk_gguf_writer *w)
{
    sk_gguf_put_int(w, "k", SK_GGUF_U8, 256);
}

static void bad_type(sk_gguf_writer *w)
{
    sk_gguf_put_int(w, "k", SK_GGUF_F32, 1);
}

static void bad_array_type(sk_gguf_writer *w)
{
    sk_gguf_put_array(w, "k", SK_GGUF_STRING, "", 1);
}

static void bad_bool(sk_gguf_writer *w)
{
    sk_gguf_put_array(w, "k", SK_GGUF_BOOL, "\0\2", 2);
}

static void bad_alignment(sk_gguf_writer *w)
{
    sk_gguf_put_int(w, "general.alignment", SK_GGUF_U32, 48);
}

static void empty_key(sk_gguf_writer *w)
{
    sk_gguf_put_bool(w, "", true);
}

static void same_key(sk_gguf_writer *w)
{
    sk_gguf_put_bool(w, "twin", true);
    sk_gguf_put_string(w, "twin", "", 0);
}

static void same_tensor(sk_gguf_writer *w)
{
    sk_gguf_put_tensor(w, "twin", SK_F32, 2, shape, NULL);
    sk_gguf_put_tensor(w, "twin", SK_F16, 1, shape, NULL);
}

static void long_tensor(sk_gguf_writer *w)
{
    sk_gguf_put_tensor(w, "a-name-of-sixty-four-bytes-which-is-more-than-tensors-are-given.",
                       SK_F32, 2, shape, NULL);
}

static void broken_row(sk_gguf_writer *w)
{
    sk_gguf_put_tensor(w, "t", SK_Q4_K, 2, shape, NULL);
}

static void unknown_type(sk_gguf_writer *w)
{
    sk_gguf_put_tensor(w, "t", 4, 2, shape, NULL);
}

static void check_refusals(sk_heap *heap)
{
    static const struct {
        void (*put)(sk_gguf_writer *w);
        int32_t code;
        const char *words;
    } cases[] = {
        {bad_int, SKALD_E_ARGUMENT, "key k: its value does not fit type u8"},
        {bad_type, SKALD_E_ARGUMENT, "does not fit type f32"},
        {bad_array_type, SKALD_E_ARGUMENT, "does not fit type string"},
        {bad_bool, SKALD_E_ARGUMENT, "a bool is 2"},
        {bad_alignment, SKALD_E_ARGUMENT, "cannot be 48"},
        {empty_key, SKALD_E_ARGUMENT, "is empty"},
        {same_key, SKALD_E_ARGUMENT, "twin was put twice"},
        {same_tensor, SKALD_E_ARGUMENT, "twin was put twice"},
        {long_tensor, SKALD_E_ARGUMENT, "longer than 63"},
        {broken_row, SKALD_E_ARGUMENT, "rows of 32 elements"},
        {unknown_type, SKALD_E_TYPE, "type 4"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        sk_gguf_writer *w;
        void *data;
        uint64_t n;
        CHECK_INT(sk_gguf_writer_new(&w, heap, &error), 0);
        cases[i].put(w);
        sk_gguf_put_bool(w, "later", true);
        CHECK_INT(sk_gguf_finish_memory(w, &data, &n, &error), cases[i].code);
        CHECKF(strstr(error.text, cases[i].words), "\"%s\", wanted \"%s\"", error.text,
               cases[i].words);
        CHECK(!data && n == 0 && error.code == cases[i].code);
        sk_gguf_writer_free(w);
    }
}

static int32_t full_disk(void *user, const void *data, size_t n)
{
    int *room = user;
    (void)data;
    (void)n;
    return --*room < 0 ? 28 : 0;
}

static void check_full_disk(sk_heap *heap)
{
    int32_t code = -1;
    for (int room = 0; code < 0 && room < 10; room++) {
        sk_gguf_writer *w;
        int left = room;
        CHECK_INT(sk_gguf_writer_new(&w, heap, &error), 0);
        sk_gguf_put_tensor(w, "t", SK_F16, 2, shape, weights);
        code = sk_gguf_finish(w, full_disk, &left, &error);
        CHECK(code == (room < 3 ? SKALD_E_IO : 0)); /* head, its padding, the tensor */
        sk_gguf_writer_free(w);
    }
}

/* ---- Split sets ------------------------------------------------------------------------------ */

static char folder[] = "/tmp/skald-test-XXXXXX";

static int32_t to_file(void *user, const void *data, size_t n)
{
    return fwrite(data, 1, n, user) == n ? 0 : -1;
}

static const char *split_name(const char *stem, int no, int count)
{
    static char path[256];
    snprintf(path, sizeof path, "%s/%s-%05d-of-%05d.gguf", folder, stem, no, count);
    return path;
}

/* One file of a set, which says that it is file `no`, of `count`, with `total` tensors in all. */
static void write_split(sk_heap *heap, const char *path, int no, int count, int total,
                        const char *tensor)
{
    sk_gguf_writer *w;
    CHECK_INT(sk_gguf_writer_new(&w, heap, &error), 0);
    if (no == 0)
        sk_gguf_put_string(w, "general.architecture", "llama", 5);
    sk_gguf_put_int(w, "split.no", SK_GGUF_U16, no);
    sk_gguf_put_int(w, "split.count", SK_GGUF_U16, count);
    sk_gguf_put_int(w, "split.tensors.count", SK_GGUF_I32, total);
    sk_gguf_put_tensor(w, tensor, SK_F32, 1, shape, NULL);
    FILE *f = fopen(path, "wb");
    CHECK(f && sk_gguf_finish(w, to_file, f, &error) == 0);
    if (f)
        fclose(f);
    sk_gguf_writer_free(w);
}

static int32_t open_path(sk_gguf **g, sk_heap *heap, const char *path, bool map)
{
    sk_source *source;
    *g = NULL;
    int32_t status = sk_source_open_file(&source, heap, path, map, &error);
    return status < 0 ? status : sk_gguf_open(g, heap, source, path, map, &error);
}

static void check_split_set(sk_heap *heap, bool map)
{
    sk_gguf *g;
    CHECKF(open_path(&g, heap, split_name("good", 1, 3), map) == 0, "%s", error.text);
    if (!g)
        return;
    CHECK_INT(sk_gguf_n_files(g), 3);
    CHECK_INT(sk_gguf_n_tensors(g), 3);
    CHECK_INT(sk_gguf_n_kv(g), 4);
    CHECK_INT(sk_gguf_tensor_size(g), 3 * 128);
    CHECK_INT(sk_gguf_check(g, &error), 0);
    const sk_gguf_tensor *t = sk_gguf_tensor_find(g, "third");
    CHECK(t && t->file == 2 && t == sk_gguf_tensor_at(g, 2));
    CHECK((sk_gguf_tensor_view(g, t) != NULL) == map);
    sk_gguf_close(g);
}

/* A set of two that must be refused, by what its second file says and is called. */
static void check_bad_set(sk_heap *heap, int no, int count, int total, const char *tensor,
                          const char *words)
{
    char first[256];
    sk_gguf *g;
    snprintf(first, sizeof first, "%s", split_name("bad", 1, 2));
    write_split(heap, first, 0, 2, total, "first");
    write_split(heap, split_name("bad", 2, 2), no, count, total, tensor);
    CHECK_INT(open_path(&g, heap, first, false), SKALD_E_CORRUPT);
    CHECKF(strstr(error.text, words), "\"%s\", wanted \"%s\"", error.text, words);
    remove(split_name("bad", 2, 2));
    CHECK_INT(open_path(&g, heap, first, true), SKALD_E_NOT_FOUND);
    CHECKF(strstr(error.text, "bad-00002-of-00002.gguf"), "%s", error.text);
    remove(first);
}

/* ---- Memory that runs out -------------------------------------------------------------------- */

/* Writes a file of everything to memory; whether that worked. */
static bool write_failing(int64_t from, int64_t to)
{
    const sk_gguf_string texts[] = {{"a", 1}, {"", 0}};
    sk_heap heap;
    sk_gguf_writer *w;
    void *data = NULL;
    uint64_t n;
    failing_heap(&heap, from, to);
    int32_t code = sk_gguf_writer_new(&w, &heap, &error);
    if (code == 0) {
        sk_gguf_put_string(w, "name", "x", 1);
        sk_gguf_put_strings(w, "texts", texts, 2);
        sk_gguf_put_array(w, "array", SK_GGUF_U64, shape, 2);
        sk_gguf_put_tensor(w, "t", SK_F16, 2, shape, weights);
        code = sk_gguf_finish_memory(w, &data, &n, &error);
    }
    CHECK((code == 0 || code == SKALD_E_MEMORY) && (code == 0) == (data != NULL));
    sk_free(&heap, data);
    sk_gguf_writer_free(w);
    CHECK(live_blocks == 0 && heap.live == 0);
    return code == 0;
}

static bool open_failing(const char *path, int64_t from, int64_t to)
{
    sk_heap heap;
    sk_gguf *g;
    failing_heap(&heap, from, to);
    int32_t code = open_path(&g, &heap, path, true);
    CHECK((code == 0 || code == SKALD_E_MEMORY) && (code == 0) == (g != NULL));
    sk_gguf_close(g);
    CHECK(live_blocks == 0 && heap.live == 0);
    return code == 0;
}

static void check_allocations(const char *set)
{
    int64_t k = 1;
    for (; !write_failing(k, k) && k < 200; k++)
        CHECK(!write_failing(k, INT64_MAX));
    CHECKF(k > 5 && k < 200, "%lld allocations", (long long)k - 1);
    for (k = 1; !open_failing(set, k, k) && k < 200; k++)
        CHECK(!open_failing(set, k, INT64_MAX));
    CHECKF(k > 20 && k < 200, "%lld allocations", (long long)k - 1);
}

static void check_splits(sk_heap *heap)
{
    static const char *const tensors[] = {"first", "second", "third"};
    char path[256];
    sk_gguf *g;
    CHECK(mkdtemp(folder) != NULL);
    for (int i = 0; i < 3; i++)
        write_split(heap, split_name("good", i + 1, 3), i, 3, 3, tensors[i]);
    check_split_set(heap, true);
    check_split_set(heap, false);
    CHECK_INT(open_path(&g, heap, split_name("good", 2, 3), false), SKALD_E_ARGUMENT);
    CHECKF(strstr(error.text, "is file 2 of 3"), "%s", error.text);
    snprintf(path, sizeof path, "%s", split_name("good", 1, 3));
    check_allocations(path);
    for (int i = 0; i < 3; i++)
        remove(split_name("good", i + 1, 3));
    check_bad_set(heap, 0, 2, 2, "second", "it says it is file 1 of 2, wanted 2 of 2");
    check_bad_set(heap, 1, 3, 2, "second", "it says it is file 2 of 3, wanted 2 of 2");
    check_bad_set(heap, 1, 2, 3, "second", "have 2 tensors, wanted 3");
    check_bad_set(heap, 1, 2, 2, "first", "tensor first occurs twice");
    snprintf(path, sizeof path, "%s/renamed.gguf", folder);
    write_split(heap, path, 0, 2, 2, "first");
    CHECK_INT(open_path(&g, heap, path, false), SKALD_E_NOT_FOUND);
    CHECKF(strstr(error.text, "not named like that"), "%s", error.text);
    remove(path);
    rmdir(folder);
}

static void check_split_path(void)
{
    char path[64];
    CHECK(sk_gguf_split_path(path, "a/b-00001-of-00012.gguf", 11, 12));
    CHECK_STR(path, "a/b-00012-of-00012.gguf");
    CHECK(sk_gguf_split_path(path, "-00001-of-00001.gguf", 0, 1));
    CHECK(!sk_gguf_split_path(path, "a-00001-of-00012.gguf", 12, 12));
    CHECK(!sk_gguf_split_path(path, "a-00002-of-00012.gguf", 1, 12));
    CHECK(!sk_gguf_split_path(path, "a-00001-of-00012.gguf", 1, 13));
    CHECK(!sk_gguf_split_path(path, "a-00001-of-00012.GGUF", 1, 12));
    CHECK(!sk_gguf_split_path(path, "a-00001-of-0012.gguf", 1, 12));
    CHECK(!sk_gguf_split_path(path, "00001-of-00012.gguf", 1, 12));
    CHECK(!sk_gguf_split_path(path, "", 0, 1));
}

int main(void)
{
    sk_heap heap;
    sk_heap_init(&heap, NULL, 0, NULL);
    check_bytes(&heap);
    check_copy(&heap);
    check_refusals(&heap);
    check_full_disk(&heap);
    check_split_path();
    check_splits(&heap);
    sk_gguf_writer_free(NULL);
    CHECK_INT(heap.live, 0);
    return test_end();
}
