/* SPDX-License-Identifier: MIT */
/*
 * Arguments by place or name, and the functions that templates find without being given them.
 */
#include "base/portable.h"
#include "jinja_int.h"

#include <string.h>

const sk_json *sk_jinja_arg(const sk_jinja_args *args, uint64_t place, const char *name)
{
    if (place < args->n)
        return &args->items[place];
    for (uint64_t i = 0; i < args->n_keywords; i++)
        if (sk_jinja_is(&args->keywords[i].key, name))
            return &args->keywords[i].value;
    return NULL;
}

int32_t sk_jinja_arg_int(sk_jinja_run *r, const sk_jinja_args *args, uint64_t place,
                         const char *name, int64_t usual, int64_t *out)
{
    const sk_json *v = sk_jinja_arg(args, place, name);
    *out = usual;
    if (!v || v->kind == SK_JSON_NULL || sk_jinja_integer(v, out))
        return SKALD_OK;
    if (v->kind == SK_J_UNDEFINED)
        return sk_jinja_undefined_error(r, v);
    return SK_JINJA_FAIL(r, "%s must be an integer, not '%s'", name, sk_jinja_type(v));
}

bool sk_jinja_arg_true(const sk_jinja_args *args, uint64_t place, const char *name, bool usual)
{
    const sk_json *v = sk_jinja_arg(args, place, name);
    return v ? sk_jinja_truth(v) : usual;
}

int32_t sk_jinja_arg_text(sk_jinja_run *r, const sk_jinja_args *args, uint64_t place,
                          const char *name, sk_json *out)
{
    const sk_json *v = sk_jinja_arg(args, place, name);
    if (!v)
        return SK_JINJA_FAIL(r, "the argument %s is missing", name);
    if (v->kind != SK_JSON_STRING)
        return SK_JINJA_FAIL(r, "%s must be a string, not '%s'", name, sk_jinja_type(v));
    *out = *v;
    return SKALD_OK;
}

/* ---- functions ---------------------------------------------------------------------------- */

static int32_t call_range(sk_jinja_run *r, const sk_jinja_args *args, sk_json *out)
{
    int64_t start = 0, stop, step;
    int32_t status = sk_jinja_arg_int(r, args, args->n > 1, "stop", 0, &stop);
    if (status >= 0 && args->n > 1)
        status = sk_jinja_arg_int(r, args, 0, "start", 0, &start);
    if (status >= 0)
        status = sk_jinja_arg_int(r, args, 2, "step", 1, &step);
    if (status < 0)
        return status;
    if (step == 0 || step == INT64_MIN || args->n == 0)
        return SK_JINJA_FAIL(r, "range() wants a number and a step that is not 0");
    uint64_t n = 0;
    if (step > 0 ? start < stop : start > stop) {
        uint64_t distance =
            step > 0 ? (uint64_t)stop - (uint64_t)start : (uint64_t)start - (uint64_t)stop;
        n = (distance - 1) / (uint64_t)(step > 0 ? step : -step) + 1;
    }
    if (n > SK_JINJA_RANGE)
        return SK_JINJA_FAIL(r, "range() of more than %d numbers", SK_JINJA_RANGE);
    int64_t *range = sk_jinja_alloc(r, 2, sizeof *range);
    if (!range)
        return SKALD_E_MEMORY;
    range[0] = start;
    range[1] = step;
    *out = (sk_json){.kind = SK_J_RANGE, .n = n, .as.pointer = range};
    return SKALD_OK;
}

/* dict(other, name=value, ...), also the members of namespace(). */
static int32_t call_members(sk_jinja_run *r, const sk_jinja_args *args, sk_jinja_space *members)
{
    int32_t status = SKALD_OK;
    memset(members, 0, sizeof *members);
    if (args->n > 0 && args->items[0].kind == SK_JSON_OBJECT) {
        for (uint64_t i = 0; i < args->items[0].n && status >= 0; i++)
            status = sk_jinja_space_set(r, members, &args->items[0].as.members[i].key,
                                        &args->items[0].as.members[i].value);
    } else if (args->n > 0) {
        sk_json pairs, pair;
        status = sk_jinja_array(r, &args->items[0], &pairs);
        for (uint64_t i = 0; status >= 0 && i < pairs.n; i++) {
            status = sk_jinja_array(r, &pairs.as.items[i], &pair);
            if (status >= 0 && pair.n != 2)
                return SK_JINJA_FAIL(r, "a dict is made of pairs");
            if (status >= 0)
                status = sk_jinja_space_set(r, members, &pair.as.items[0], &pair.as.items[1]);
        }
    }
    for (uint64_t i = 0; i < args->n_keywords && status >= 0; i++)
        status = sk_jinja_space_set(r, members, &args->keywords[i].key, &args->keywords[i].value);
    return status;
}

static int32_t call_dict(sk_jinja_run *r, const sk_jinja_args *args, sk_json *out)
{
    sk_jinja_space members;
    int32_t status = call_members(r, args, &members);
    *out = (sk_json){.kind = SK_JSON_OBJECT, .n = members.n, .as.members = members.members};
    return status;
}

static int32_t call_namespace(sk_jinja_run *r, const sk_jinja_args *args, sk_json *out)
{
    sk_jinja_space *members = sk_jinja_alloc(r, 1, sizeof *members);
    if (!members)
        return SKALD_E_MEMORY;
    *out = (sk_json){.kind = SK_J_NAMESPACE, .as.pointer = members};
    return call_members(r, args, members);
}

static int32_t call_raise_exception(sk_jinja_run *r, const sk_jinja_args *args, sk_json *out)
{
    sk_json text = sk_jinja_text("the template raised an exception", 32);
    int32_t status = args->n ? sk_jinja_str(r, &args->items[0], &text) : SKALD_OK;
    *out = text;
    if (status < 0)
        return status;
    return SK_JINJA_FAIL(r, "%.*s", text.n < 400 ? (int)text.n : 400, text.as.text);
}

static int32_t call_cycler(sk_jinja_run *r, const sk_jinja_args *args, sk_json *out)
{
    sk_jinja_cycler *c = sk_jinja_alloc(r, 1, sizeof *c);
    sk_json *items = sk_jinja_alloc(r, args->n, sizeof *items);
    if (!c || !items)
        return SKALD_E_MEMORY;
    if (args->n == 0)
        return SK_JINJA_FAIL(r, "cycler() wants at least one value");
    memcpy(items, args->items, args->n * sizeof *items);
    *c = (sk_jinja_cycler){sk_jinja_list(items, args->n), 0};
    *out = (sk_json){.kind = SK_J_CYCLER, .as.pointer = c};
    return SKALD_OK;
}

static int32_t call_joiner(sk_jinja_run *r, const sk_jinja_args *args, sk_json *out)
{
    sk_jinja_cycler *c = sk_jinja_alloc(r, 1, sizeof *c);
    sk_json *items = sk_jinja_alloc(r, 1, sizeof *items);
    const sk_json *separator = sk_jinja_arg(args, 0, "sep");
    if (!c || !items)
        return SKALD_E_MEMORY;
    items[0] = separator ? *separator : sk_jinja_text(", ", 2);
    *c = (sk_jinja_cycler){sk_jinja_list(items, 1), 0};
    *out = (sk_json){.kind = SK_J_CYCLER, .flavour = 1, .as.pointer = c};
    return SKALD_OK;
}

/* ---- the clock ---------------------------------------------------------------------------- */

typedef struct call_date {
    int64_t year;
    int32_t month, day, week_day, year_day, hour, minute, second; /* month 0.., day 1.. */
} call_date;

/* The proleptic Gregorian calendar, from the days since 1970-01-01. */
static call_date call_date_of(int64_t seconds)
{
    static const int32_t before[] = {0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334};
    const int64_t limit = 200000000000; /* some 6000 years either way */
    seconds = seconds > limit ? limit : seconds < -limit / 4 ? -limit / 4 : seconds;
    int64_t day = seconds / 86400 - (seconds % 86400 < 0), left = seconds - day * 86400;
    call_date d = {.hour = (int32_t)(left / 3600), .minute = (int32_t)(left / 60 % 60)};
    d.second = (int32_t)(left % 60);
    d.week_day = (int32_t)(((day + 4) % 7 + 7) % 7); /* 1970-01-01 was a Thursday */
    for (d.year = 1970;;) {
        bool leap = (d.year % 4 == 0 && d.year % 100 != 0) || d.year % 400 == 0;
        if (day >= 0 && day < 365 + leap) {
            d.year_day = (int32_t)day;
            for (d.month = 11; d.month > 0; d.month--)
                if (day >= before[d.month] + (leap && d.month > 1))
                    break;
            d.day = (int32_t)day - before[d.month] - (leap && d.month > 1) + 1;
            return d;
        }
        if (day < 0) {
            d.year--;
            leap = (d.year % 4 == 0 && d.year % 100 != 0) || d.year % 400 == 0;
            day += 365 + leap;
        } else {
            d.year++;
            day -= 365 + leap;
        }
    }
}

/* A number with at least `width` digits. */
static void call_put_number(char *out, int64_t value, int width, char pad)
{
    char digits[24];
    int n = (int)sk_format(digits, sizeof digits, "%lld", (long long)value);
    while (width-- > n)
        *out++ = pad;
    memcpy(out, digits, (size_t)n + 1);
}

static bool call_date_field(const call_date *d, char field, bool bare, char *out)
{
    static const char *const months[] = {"January",   "February", "March",    "April",
                                         "May",       "June",     "July",     "August",
                                         "September", "October",  "November", "December"};
    static const char *const days[] = {"Sunday",   "Monday", "Tuesday", "Wednesday",
                                       "Thursday", "Friday", "Saturday"};
    const struct {
        char field;
        int8_t width;
        int64_t value;
    } numbers[] = {
        {'Y', 4, d->year},       {'m', 2, d->month + 1},    {'d', 2, d->day},
        {'H', 2, d->hour},       {'M', 2, d->minute},       {'S', 2, d->second},
        {'y', 2, d->year % 100}, {'j', 3, d->year_day + 1}, {'I', 2, (d->hour + 11) % 12 + 1},
        {'w', 1, d->week_day},   {'e', 2, d->day}};
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        if (numbers[i].field == field) {
            call_put_number(out, numbers[i].value, bare ? 1 : numbers[i].width,
                            field == 'e' ? ' ' : '0');
            return true;
        }
    const char *name = field == 'B' || field == 'b' || field == 'h' ? months[d->month]
                       : field == 'A' || field == 'a'               ? days[d->week_day]
                       : field == 'p'                               ? (d->hour < 12 ? "AM" : "PM")
                       : field == '%'                               ? "%"
                       : field == 'Z'                               ? "UTC"
                       : field == 'z'                               ? "+0000"
                       : field == 'f'                               ? "000000"
                                                                    : NULL;
    bool brief = field == 'b' || field == 'h' || field == 'a';
    if (name)
        sk_format(out, 24, "%.*s", brief ? 3 : (int)strlen(name), name);
    return name != NULL;
}

/* Fields that stand for several. */
static const char *call_date_long(char field)
{
    return field == 'F'   ? "%Y-%m-%d"
           : field == 'T' ? "%H:%M:%S"
           : field == 'R' ? "%H:%M"
           : field == 'D' ? "%m/%d/%y"
           : field == 'x' ? "%m/%d/%y"
           : field == 'X' ? "%H:%M:%S"
           : field == 'c' ? "%a %b %e %H:%M:%S %Y"
                          : NULL;
}

static int32_t call_put_date(sk_jinja_run *r, const call_date *d, const char *p, uint64_t n)
{
    char text[64];
    int32_t status = SKALD_OK;
    for (uint64_t i = 0; i < n && status >= 0; i++) {
        if (p[i] != '%' || i + 1 == n) {
            status = sk_jinja_put(r, &r->scratch, p + i, 1);
            continue;
        }
        bool bare = p[i + 1] == '-' && i + 2 < n;
        i += bare ? 2 : 1;
        const char *whole = call_date_long(p[i]);
        if (whole) { /* its own fields are all short ones */
            for (const char *q = whole; *q && status >= 0; q++) {
                text[0] = *q;
                text[1] = 0;
                if (*q == '%')
                    call_date_field(d, *++q, false, text);
                status = sk_jinja_put(r, &r->scratch, text, strlen(text));
            }
        } else if (call_date_field(d, p[i], bare, text)) {
            status = sk_jinja_put(r, &r->scratch, text, strlen(text));
        } else {
            return SK_JINJA_FAIL(r, "strftime_now() does not know %%%c", p[i]);
        }
    }
    return status;
}

static int32_t call_strftime_now(sk_jinja_run *r, const sk_jinja_args *args, sk_json *out)
{
    sk_json format;
    call_date d = call_date_of(r->now);
    int32_t status = sk_jinja_arg_text(r, args, 0, "format", &format);
    sk_jinja_ink_cut(&r->scratch, 0);
    if (status >= 0)
        status = sk_jinja_charge(r, format.n * 16);
    if (status >= 0)
        status = call_put_date(r, &d, format.as.text, format.n);
    return status < 0 ? status : sk_jinja_take_scratch(r, out);
}

static const struct {
    const char *name;
    int32_t (*run)(sk_jinja_run *r, const sk_jinja_args *args, sk_json *out);
} call_functions[] = {{"range", call_range},
                      {"namespace", call_namespace},
                      {"dict", call_dict},
                      {"raise_exception", call_raise_exception},
                      {"strftime_now", call_strftime_now},
                      {"cycler", call_cycler},
                      {"joiner", call_joiner}};

bool sk_jinja_function_find(const sk_json *name, sk_json *out)
{
    for (uint64_t i = 0; i < sizeof call_functions / sizeof *call_functions; i++)
        if (sk_jinja_is(name, call_functions[i].name)) {
            *out = (sk_json){.kind = SK_J_FUNCTION, .n = i};
            return true;
        }
    return false;
}

int32_t sk_jinja_function(sk_jinja_run *r, const sk_json *f, const sk_jinja_args *args,
                          sk_json *out)
{
    return call_functions[f->n].run(r, args, out);
}

int32_t sk_jinja_call(sk_jinja_run *r, const sk_json *f, const sk_jinja_args *args, sk_json *out)
{
    if (f->kind == SK_J_FUNCTION)
        return sk_jinja_function(r, f, args, out);
    if (f->kind == SK_J_METHOD)
        return sk_jinja_method(r, f->as.pointer, args, out);
    if (f->kind == SK_J_CYCLER && f->flavour == 1) {
        sk_jinja_cycler *c = f->as.pointer;
        *out = c->at++ ? c->items.as.items[0] : sk_jinja_text("", 0);
        return SKALD_OK;
    }
    if (f->kind == SK_J_UNDEFINED)
        return sk_jinja_undefined_error(r, f);
    return SK_JINJA_FAIL(r, "'%s' object is not callable", sk_jinja_type(f));
}
