/* SPDX-License-Identifier: MIT */
/* Options: types, ranges, lists, parsing, and that a failed parse changes nothing. */
#include "test.h"

#include "base/options.h"

#include <math.h>

static sk_heap heap;
static sk_options options;
static sk_error error;

static void check_setting(void)
{
    CHECK_INT(sk_opt_int(&options, SK_OPT_N_CTX), 4096);
    CHECK_INT(sk_options_set_int(&options, "n_ctx", 77, &error), 0);
    CHECK_INT(sk_opt_int(&options, SK_OPT_N_CTX), 77);
    CHECK_INT(sk_options_set_int(&options, "n_ctx", 0, &error), SKALD_E_OPTION);
    CHECK_STR(error.text, "option \"n_ctx\" is 0, wanted 1 to 134217728");
    CHECK_INT(sk_options_set_int(&options, "n_ctxx", 5, &error), SKALD_E_OPTION);
    CHECK_STR(error.text, "unknown option \"n_ctxx\"; did you mean \"n_ctx\"?");
    CHECK_INT(sk_options_set_string(&options, "n_ctx", "nine", false, &error), SKALD_E_OPTION);
    CHECK_STR(error.text, "option \"n_ctx\" is \"nine\", wanted an integer");
    CHECK_INT(sk_options_set_string(&options, "n_ctx", "9", false, &error), 0);
    CHECK_INT(sk_opt_int(&options, SK_OPT_N_CTX), 9);
    CHECK_INT(sk_options_set_string(&options, "reader", "9", false, &error), SKALD_E_OPTION);
    CHECK_INT(sk_options_set_float(&options, "n_ctx", 99.0, &error), 0);
    CHECK_INT(sk_opt_int(&options, SK_OPT_N_CTX), 99);
    CHECK_INT(sk_options_set_float(&options, "n_ctx", 99.5, &error), SKALD_E_OPTION);
    CHECK_INT(sk_options_set_float(&options, "n_ctx", -1e300, &error), SKALD_E_OPTION);
    CHECK_INT(sk_options_set_int(&options, "temperature", 2, &error), 0);
    CHECK(sk_opt_float(&options, SK_OPT_TEMPERATURE) == 2.0);
    CHECK_INT(sk_options_set_float(&options, "temperature", NAN, &error), SKALD_E_OPTION);
    CHECK_INT(sk_options_set_string(&options, "load", "mmap", false, &error), SKALD_E_OPTION);
    CHECK_STR(error.text, "option \"load\" is \"mmap\", wanted one of map|read");
    CHECK_INT(sk_options_set_string(&options, "load", "read", false, &error), 0);
    CHECK_STR(sk_opt_string(&options, SK_OPT_LOAD), "read");
    CHECK_INT(sk_options_set_int(&options, NULL, 5, &error), SKALD_E_ARGUMENT);
}

static void check_parsing(void)
{
    CHECK_INT(
        sk_options_parse(&options, " n_ctx=128  stop='a b\\n'\tstop=\"c\" top_p=0.25 ", &error), 0);
    CHECK_INT(sk_opt_int(&options, SK_OPT_N_CTX), 128);
    CHECK(sk_opt_float(&options, SK_OPT_TOP_P) == 0.25);
    CHECK_INT(options.values[SK_OPT_STOP].n_strings, 2);
    CHECK_STR(options.values[SK_OPT_STOP].strings[0], "a b\n");
    CHECK_STR(options.values[SK_OPT_STOP].strings[1], "c");
    static const char *const bad[] = {"n_ctx=5 n_ctxx=3", "n_ctx=5 top_p=9", "n_ctx=5 stop='x",
                                      "n_ctx=5 =3",       "n_ctx",           "n_ctx=5 n_ctx=five",
                                      "n_ctx=5 reader=3"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        CHECKF(sk_options_parse(&options, bad[i], &error) == SKALD_E_OPTION, "%s", bad[i]);
        CHECK_INT(sk_opt_int(&options, SK_OPT_N_CTX), 128);
    }
    CHECK_INT(sk_options_set_string(&options, "stop", "only", false, &error), 0);
    CHECK_INT(options.values[SK_OPT_STOP].n_strings, 1);
}

static int32_t read_nothing(void *user, uint64_t offset, void *buffer, size_t n)
{
    (void)user, (void)offset, (void)buffer;
    return n > 0;
}

static void check_tables(void)
{
    skald_reader reader = {sizeof reader, NULL, 5, read_nothing};
    CHECK_INT(sk_options_set_pointer(&options, "reader", &reader, &error), 0);
    reader.file_size = 6;
    const skald_reader *kept = sk_opt_pointer(&options, SK_OPT_READER);
    CHECK(kept && kept->file_size == 5);
    sk_options copy;
    sk_options_init(&copy, &heap);
    CHECK_INT(sk_options_copy(&copy, &options, &error), 0);
    sk_options_clear(&options);
    kept = sk_opt_pointer(&copy, SK_OPT_READER);
    CHECK(kept && kept->file_size == 5);
    CHECK_STR(sk_opt_string(&copy, SK_OPT_STOP), "only");
    reader.read = NULL;
    CHECK_INT(sk_options_set_pointer(&copy, "reader", &reader, &error), SKALD_E_ARGUMENT);
    reader.size = 4;
    CHECK_INT(sk_options_set_pointer(&copy, "reader", &reader, &error), SKALD_E_ARGUMENT);
    sk_options_clear(&copy);
}

int main(void)
{
    CHECK_INT(sk_heap_init(&heap, NULL, 0, &error), 0);
    sk_options_init(&options, &heap);
    for (int32_t i = 0; i < SK_N_OPTIONS; i++) {
        const sk_option_info *info = sk_option_info_get(i);
        CHECKF(info->help[0] && strlen(info->help) < 90, "%s", info->key);
        CHECKF(sk_option_find(info->key) == i, "%s", info->key);
        CHECKF(!(info->flags & SK_OPTION_CHOICE) || strchr(info->help, ':'), "%s", info->key);
    }
    CHECK(!sk_option_info_get(SK_N_OPTIONS));
    check_setting();
    check_parsing();
    check_tables();
    sk_options_clear(&options);
    CHECK_INT(heap.live, 0);
    return test_end();
}
