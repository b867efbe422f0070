/* SPDX-License-Identifier: MIT */
/* The boundary's calls of options handles. api.c has the rest. */
#include "base/portable.h"

#include "api_fail.h"
#include "base/fpenv.h"
#include "sample/constraint.h"

int32_t skald_options_new(skald_options **out)
{
    sk_heap heap;
    sk_error error;
    if (!out)
        return fail_null("out");
    *out = NULL;
    sk_heap_init(&heap, NULL, 0, &error);
    skald_options *options = sk_alloc_zero(&heap, sizeof *options, "options", &error);
    if (!options)
        return publish(SKALD_E_MEMORY, &error);
    options->heap = heap;
    sk_options_init(&options->set, &options->heap);
    *out = options;
    return SKALD_OK;
}

void skald_options_free(skald_options *options)
{
    if (!options)
        return;
    sk_options_clear(&options->set);
    sk_heap heap = options->heap;
    sk_free(&heap, options);
}

int32_t skald_options_set_int(skald_options *o, const char *key, int64_t value)
{
    if (!o)
        return fail_null("options");
    return publish(sk_options_set_int(&o->set, key, value, &o->error), &o->error);
}

int32_t skald_options_set_float(skald_options *o, const char *key, double value)
{
    if (!o)
        return fail_null("options");
    return publish(sk_options_set_float(&o->set, key, value, &o->error), &o->error);
}

int32_t skald_options_set_string(skald_options *o, const char *key, const char *value)
{
    if (!o)
        return fail_null("options");
    return publish(sk_options_set_string(&o->set, key, value, false, &o->error), &o->error);
}

int32_t skald_options_add_string(skald_options *o, const char *key, const char *value)
{
    if (!o)
        return fail_null("options");
    return publish(sk_options_set_string(&o->set, key, value, true, &o->error), &o->error);
}

int32_t skald_options_set_pointer(skald_options *o, const char *key, const void *value)
{
    if (!o)
        return fail_null("options");
    return publish(sk_options_set_pointer(&o->set, key, value, &o->error), &o->error);
}

int32_t skald_options_parse(skald_options *o, const char *text)
{
    sk_fpenv saved;
    if (!o)
        return fail_null("options");
    sk_fpenv_enter(&saved);
    int32_t status = sk_options_parse(&o->set, text, &o->error);
    sk_fpenv_leave(&saved);
    return publish(status, &o->error);
}

int32_t skald_options_get_int(const skald_options *o, const char *key, int64_t *value)
{
    sk_error error;
    if (!o || !value)
        return fail_null(o ? "value" : "options");
    *value = 0;
    return publish(sk_options_get_int(&o->set, key, value, &error), &error);
}

int32_t skald_options_get_float(const skald_options *o, const char *key, double *value)
{
    sk_error error;
    if (!o || !value)
        return fail_null(o ? "value" : "options");
    *value = 0;
    return publish(sk_options_get_float(&o->set, key, value, &error), &error);
}

int32_t skald_options_get_string(const skald_options *o, const char *key, const char **value)
{
    sk_error error;
    if (!o || !value)
        return fail_null(o ? "value" : "options");
    *value = NULL;
    return publish(sk_options_get_string(&o->set, key, value, &error), &error);
}

int32_t skald_options_check(skald_options *o, const char *text, int64_t n)
{
    uint64_t length;
    sk_fpenv saved;
    if (!o)
        return fail_null("options");
    if (!text_length(text, n, &length))
        return fail_text(text);
    sk_fpenv_enter(&saved);
    int32_t status = sk_grammar_check(&o->set, &o->heap, text, length, &o->error);
    sk_fpenv_leave(&saved);
    return publish(status, &o->error);
}

int32_t skald_options_describe(int32_t index, const char **key, int32_t *type,
                               const char **default_value, const char **help)
{
    const sk_option_info *info = sk_option_info_get(index);
    if (!info)
        return fail_here(SKALD_E_NOT_FOUND, "there is no option of that index");
    if (key)
        *key = info->key;
    if (type)
        *type = info->type;
    if (default_value)
        *default_value = info->def;
    if (help)
        *help = info->help;
    return SKALD_OK;
}

const char *skald_options_message(const skald_options *options)
{
    return options ? options->error.text : "";
}
