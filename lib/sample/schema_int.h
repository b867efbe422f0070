/* SPDX-License-Identifier: MIT */
/*
 * What the files of the schema compiler share.
 *
 * A place where a value may stand is described by terms: schemas that all have to hold. Terms are
 * flattened until only schemas' own keywords are left (references followed, allOf taken apart) and
 * choices (anyOf, oneOf), which are then made one by one. Each set of terms becomes one rule, made
 * once, so recursion in a schema is recursion of rules; what is still to be compiled waits in a
 * queue, and nothing here recurses.
 */
#ifndef SK_SAMPLE_SCHEMA_INT_H
#define SK_SAMPLE_SCHEMA_INT_H

#include "format/json.h"
#include "sample/grammar_int.h"
#include "sample/itemset.h"

enum { SCHEMA_TERMS = 512 }; /* of one place, at most */

enum {
    SCHEMA_WHOLE,  /* the schema, as it stands */
    SCHEMA_OWN,    /* its keywords but for $ref, allOf, anyOf and oneOf */
    SCHEMA_ANY_OF, /* its anyOf */
    SCHEMA_ONE_OF  /* its oneOf */
};

typedef struct schema_term {
    const sk_json *schema;
    uint32_t kind;
} schema_term;

typedef struct schema_terms {
    schema_term items[SCHEMA_TERMS];
    uint32_t n;
    bool never; /* one of them is false */
} schema_terms;

/* Types, as bits. */
enum {
    SCHEMA_NULL = 1,
    SCHEMA_BOOLEAN = 2,
    SCHEMA_OBJECT = 4,
    SCHEMA_ARRAY = 8,
    SCHEMA_NUMBER = 16, /* with a fraction */
    SCHEMA_INTEGER = 32,
    SCHEMA_STRING = 64,
    SCHEMA_ALL = 127
};

/* Flavours of words of our own (schema_not.c). */
enum {
    SCHEMA_NO_INTEGER = 1, /* of the type "number": that is no integer */
    SCHEMA_OTHER_THAN = 20 /* of the keyword "otherThan": a value that is none of these scalars */
};

enum { SCHEMA_RESOURCES = 250 }; /* schemas with names, at most: a flavour is a byte */

/* A schema with a name (schema_ref.c). */
typedef struct schema_resource {
    const char *name; /* [n] without a fragment */
    uint64_t n;
    const sk_json *root;
} schema_resource;

/* A schema that was made of another. */
typedef struct schema_made {
    const sk_json_member *members; /* of the other: what it is known by */
    uint32_t what;
    const sk_json *value;
    const char *why;
} schema_made;

/* Rules that every schema may want; 0: not made yet. */
typedef struct schema_shared {
    uint32_t space, character, string, number, integer, any, separator, colon, unique_string;
} schema_shared;

typedef struct schema_job {
    uint32_t rule;
    const schema_term *terms; /* [n], of the arena */
    uint32_t n;
    const sk_json *literal; /* a value to be written as it is, if not NULL */
} schema_job;

typedef struct schema {
    sk_gram b;
    sk_error *error;
    sk_arena arena;
    sk_json root;
    const char *ignored;
    bool ref_alone; /* keywords beside a $ref do not count (until draft 7) */
    bool is_loose;  /* the whole schema is true or {} */
    schema_resource resources[SCHEMA_RESOURCES]; /* [n_resources], the root first */
    uint32_t n_resources;
    uint64_t n_dynamic; /* schemas with a $dynamicAnchor */
    schema_shared shared;
    sk_itempool sets;    /* of terms, as pairs of numbers */
    uint32_t *set_rules; /* [set_capacity] by number of the set */
    uint64_t set_capacity;
    schema_job *jobs; /* owned; a stack */
    uint64_t n_jobs, job_capacity;
    schema_made *made; /* owned, [n_made] */
    uint64_t n_made, made_capacity;
} schema;

static inline bool schema_ok(const schema *s)
{
    return s->b.status == SKALD_OK;
}

/* The value of a keyword, or NULL. */
const sk_json *sk_schema_get(const sk_json *value, const char *keyword);
/* Whether schemas in it evaluate the same value, so that its unevaluated... are not its own alone.
 */
bool sk_schema_evaluates(const sk_json *own);
/* The values that a place's must be none of, or NULL (schema_not.c). */
const sk_json *sk_schema_other_than(const sk_json *own);
bool sk_schema_is_text(const sk_json *value, const char *text);
/* Whether a schema, true or {}, allows everything. */
bool sk_schema_is_true(const sk_json *value);

/* A keyword asks for what cannot be enforced: an error, unless the host said to ignore it. */
void sk_schema_refuse(schema *s, const char *keyword, const char *why);
/* A schema that makes no sense. */
void sk_schema_wrong(schema *s, const char *keyword, const char *wanted);

/* A keyword's value as a count of at most 2^32; false if it is not there. */
bool sk_schema_count(schema *s, const sk_json *own, const char *keyword, uint64_t *count);

void sk_schema_add_term(schema *s, schema_terms *terms, const sk_json *json, uint32_t kind);
/* The rule of a set of terms; its body is made later. */
uint32_t sk_schema_rule(schema *s, const schema_terms *terms);
/* The fragment of a value that is written as it is. */
sk_frag sk_schema_literal(schema *s, const sk_json *value);

/* Shared fragments. */
sk_frag sk_schema_space(schema *s);
sk_frag sk_schema_separator(schema *s); /* space, comma, space */
sk_frag sk_schema_any(schema *s);       /* any value */
sk_frag sk_schema_call(schema *s, uint32_t *rule, sk_frag (*body)(schema *s));

/* One character of a set inside of a string: as it is, or escaped. */
sk_frag sk_schema_emit(void *user, sk_gram *b, const sk_codeset *set);
/* A text inside of a string. */
sk_frag sk_schema_emit_text(schema *s, const char *text, uint64_t n);
sk_frag sk_schema_quoted(schema *s, const char *text, uint64_t n);
/* A string which is none of these. */
sk_frag sk_schema_other_string(schema *s, const sk_json *const *texts, uint64_t n);

/* What the terms, all SCHEMA_OWN, say of each type. */
sk_frag sk_schema_string(schema *s, const schema_terms *own);
sk_frag sk_schema_number(schema *s, const schema_terms *own, uint32_t types);
sk_frag sk_schema_array(schema *s, const schema_terms *own);
sk_frag sk_schema_object(schema *s, const schema_terms *own);

/* Whether a value is what one schema's own keywords ask for; what cannot be told is refused. */
bool sk_schema_holds(schema *s, const sk_json *own, const sk_json *value);
bool sk_schema_equal(const sk_json *a, const sk_json *b);
uint32_t sk_schema_types(schema *s, const sk_json *own);
/* Whether a text is described by a pattern or format (a fragment of its characters). */
bool sk_schema_string_holds(schema *s, const sk_json *own, const sk_json *value);

bool sk_schema_number_holds(schema *s, const sk_json *own, const sk_json *value);
/* Whether the ranges of two sets of terms have nothing in common. */
bool sk_schema_number_apart(schema *s, const schema_terms *a, const schema_terms *b);

/* Whether no value is described by both; false when that is not seen. */
bool sk_schema_disjoint(schema *s, const schema_terms *a, const schema_terms *b);
void sk_schema_flatten(schema *s, const schema_terms *terms, schema_terms *flat);

#endif
