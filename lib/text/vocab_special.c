/* SPDX-License-Identifier: MIT */
/*
 * Special tokens. Many files name only some of them by id, so the others are known by their texts,
 * which a small number of model families share. What stops generation is a set: the texts below
 * and the ids of eos, eot, eom and the fill-in-the-middle separators.
 *
 * Last, the tokens that are cut out of text before it is tokenised are indexed: sorted by text, so
 * that those beginning with what stands at some place are a range that narrows byte by byte, and
 * by their first two bytes, so that most places are passed over at a glance.
 */
#include "base/portable.h"

#include "text/vocab_int.h"

#include <string.h>

/* ---- The texts ------------------------------------------------------------------------------ */

/* deepseek's names, which use U+FF5C and U+2581. */
#define DEEPSEEK(a, b) "<\xEF\xBD\x9C" a "\xE2\x96\x81" b "\xEF\xBD\x9C>"

typedef struct special_text {
    int32_t which; /* SK_SPECIAL_... */
    const char *text;
} special_text;

/* The first one that is a token counts, and only if the file gives no id. */
static const special_text special_texts[] = {
    {SK_SPECIAL_EOT, "<|eot_id|>"},
    {SK_SPECIAL_EOT, "<|im_end|>"},
    {SK_SPECIAL_EOT, "<|end|>"},
    {SK_SPECIAL_EOT, "<end_of_turn>"},
    {SK_SPECIAL_EOT, "<|endoftext|>"},
    {SK_SPECIAL_EOT, "<|end_of_text|>"},
    {SK_SPECIAL_EOT, "<EOT>"},
    {SK_SPECIAL_EOT, "_<EOT>"},
    {SK_SPECIAL_EOT, "[EOT]"},
    {SK_SPECIAL_EOT, DEEPSEEK("end", "of\xE2\x96\x81sentence")},
    {SK_SPECIAL_EOT, "<end_of_utterance>"},
    {SK_SPECIAL_EOM, "<|eom_id|>"},
    {SK_SPECIAL_FIM_PRE, "<|fim_prefix|>"},
    {SK_SPECIAL_FIM_PRE, "<fim-prefix>"},
    {SK_SPECIAL_FIM_PRE, "<fim_prefix>"},
    {SK_SPECIAL_FIM_PRE, DEEPSEEK("fim", "begin")},
    {SK_SPECIAL_FIM_PRE, "<PRE>"},
    {SK_SPECIAL_FIM_PRE, SK_SPACE_MARK "<PRE>"},
    {SK_SPECIAL_FIM_PRE, "<|code_prefix|>"},
    {SK_SPECIAL_FIM_PRE, "<|prefix|>"},
    {SK_SPECIAL_FIM_SUF, "<|fim_suffix|>"},
    {SK_SPECIAL_FIM_SUF, "<fim-suffix>"},
    {SK_SPECIAL_FIM_SUF, "<fim_suffix>"},
    {SK_SPECIAL_FIM_SUF, DEEPSEEK("fim", "hole")},
    {SK_SPECIAL_FIM_SUF, "<SUF>"},
    {SK_SPECIAL_FIM_SUF, SK_SPACE_MARK "<SUF>"},
    {SK_SPECIAL_FIM_SUF, "<|code_suffix|>"},
    {SK_SPECIAL_FIM_SUF, "<|suffix|>"},
    {SK_SPECIAL_FIM_MID, "<|fim_middle|>"},
    {SK_SPECIAL_FIM_MID, "<fim-middle>"},
    {SK_SPECIAL_FIM_MID, "<fim_middle>"},
    {SK_SPECIAL_FIM_MID, DEEPSEEK("fim", "end")},
    {SK_SPECIAL_FIM_MID, "<MID>"},
    {SK_SPECIAL_FIM_MID, SK_SPACE_MARK "<MID>"},
    {SK_SPECIAL_FIM_MID, "<|code_middle|>"},
    {SK_SPECIAL_FIM_MID, "<|middle|>"},
    {SK_SPECIAL_FIM_PAD, "<|fim_pad|>"},
    {SK_SPECIAL_FIM_PAD, "<fim-pad>"},
    {SK_SPECIAL_FIM_PAD, "<fim_pad>"},
    {SK_SPECIAL_FIM_PAD, "<PAD>"},
    {SK_SPECIAL_FIM_PAD, "[PAD]"},
    {SK_SPECIAL_FIM_REP, "<|fim_repo|>"},
    {SK_SPECIAL_FIM_REP, "<|repo_name|>"},
    {SK_SPECIAL_FIM_REP, "<fim-repo>"},
    {SK_SPECIAL_FIM_REP, "<REPO>"},
    {SK_SPECIAL_FIM_REP, "<reponame>"},
    {SK_SPECIAL_FIM_SEP, "<|file_sep|>"},
};

/* Besides the texts of EOT and EOM: each that is a token ends generation. */
static const char *const end_texts[] = {
    "<|return|>", "<|call|>", "<|flush|>", "<|calls|>",        "</s>",
    "[EOS]",      "<eos>",    "<turn|>",   "<|tool_response>", "[e~["};

/* gpt-oss: parts of its messages that are to be seen, and are matched in any text. */
static const char *const shown_texts[] = {"<|channel|>", "<|message|>", "<|start|>",
                                          "<|constrain|>"};

#define COUNT(array) (sizeof(array) / sizeof *(array))

/* ---- Types and ends ------------------------------------------------------------------------- */

static sk_vocab_token *token_of(const sk_vocab *vocab, const char *text)
{
    int32_t id = sk_vocab_find(vocab, text, strlen(text));
    return id < 0 ? NULL : &vocab->tokens[id];
}

static void find_by_text(sk_vocab *vocab)
{
    bool said[SK_N_SPECIAL];
    for (int i = 0; i < SK_N_SPECIAL; i++)
        said[i] = vocab->special[i] >= 0;
    for (size_t i = 0; i < COUNT(special_texts); i++) {
        const special_text *known = &special_texts[i];
        sk_vocab_token *token = token_of(vocab, known->text);
        if (!token || said[known->which])
            continue;
        said[known->which] = true;
        vocab->special[known->which] = (int32_t)(token - vocab->tokens);
        token->type = SK_TOKEN_CONTROL;
    }
}

static void mark_end(sk_vocab *vocab, const char *text)
{
    sk_vocab_token *token = token_of(vocab, text);
    if (token) {
        token->end = 1;
        token->type = SK_TOKEN_CONTROL;
    }
}

static void mark_ends(sk_vocab *vocab)
{
    static const uint8_t ids[] = {SK_SPECIAL_EOS,     SK_SPECIAL_EOT,     SK_SPECIAL_EOM,
                                  SK_SPECIAL_FIM_PAD, SK_SPECIAL_FIM_REP, SK_SPECIAL_FIM_SEP};
    for (size_t i = 0; i < COUNT(special_texts); i++)
        if (special_texts[i].which == SK_SPECIAL_EOT || special_texts[i].which == SK_SPECIAL_EOM)
            mark_end(vocab, special_texts[i].text);
    for (size_t i = 0; i < COUNT(end_texts); i++)
        mark_end(vocab, end_texts[i]);
    for (size_t i = 0; i < COUNT(ids); i++)
        if (vocab->special[ids[i]] >= 0)
            vocab->tokens[vocab->special[ids[i]]].end = 1;
}

/* Families in which a text means something else than in the others. */
static void correct_families(sk_vocab *vocab)
{
    for (size_t i = 0; i < COUNT(shown_texts); i++) {
        sk_vocab_token *token = token_of(vocab, shown_texts[i]);
        if (token)
            token->type = SK_TOKEN_USER;
    }
    bool oss = token_of(vocab, "<|return|>") && token_of(vocab, "<|call|>");
    bool solar = token_of(vocab, "<|calls|>") && token_of(vocab, "<|flush|>");
    sk_vocab_token *end = token_of(vocab, "<|end|>"), *eos = token_of(vocab, "</s>");
    if (end && (oss || solar)) {
        end->end = 0;
        end->type = SK_TOKEN_USER;
    }
    if (eos && token_of(vocab, "<|tool_response>")) {
        eos->end = 0;
        eos->type = SK_TOKEN_NORMAL;
    }
}

/* A BPE vocabulary without types: what the file names by id is control. */
static void mark_named(sk_vocab *vocab, const sk_vocab_source *source)
{
    for (int i = 0; i < SK_N_SPECIAL; i++)
        if (source->special[i] >= 0 && source->special[i] < (int64_t)vocab->n)
            vocab->tokens[source->special[i]].type = SK_TOKEN_CONTROL;
}

/* ---- White space around special tokens ------------------------------------------------------ */

static char lower_letter(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
}

/* Whether `word`, which is in lower case, occurs in the text whatever its case. */
static bool mentions(const sk_vocab_text *text, const char *word)
{
    size_t n = strlen(word);
    for (uint64_t i = 0; text->text && i + n <= text->n; i++) {
        size_t k = 0;
        while (k < n && lower_letter(text->text[i + k]) == word[k])
            k++;
        if (k == n)
            return true;
    }
    return false;
}

static void set_strip(sk_vocab *vocab, const char *text, uint8_t strip)
{
    sk_vocab_token *token = token_of(vocab, text);
    if (token)
        token->strip = strip;
}

/* GGUF files do not say it, so the reference goes by the names of models. */
static void mark_strips(sk_vocab *vocab, const sk_vocab_source *source)
{
    for (uint32_t id = 0; source->strips && id < vocab->n; id++)
        vocab->tokens[id].strip = source->strips[id] & (SK_STRIP_LEFT | SK_STRIP_RIGHT);
    if (mentions(&source->name, "phi-3") || mentions(&source->name, "phi3")) {
        for (uint32_t id = 0; id < vocab->n; id++)
            if (sk_vocab_is_special(&vocab->tokens[id]))
                vocab->tokens[id].strip = SK_STRIP_RIGHT;
        set_strip(vocab, "</s>", SK_STRIP_RIGHT);
        set_strip(vocab, "<unk>", 0);
        set_strip(vocab, "<s>", 0);
        set_strip(vocab, "<|endoftext|>", 0);
    }
    if (mentions(&source->pre, "jina-v2-de") || mentions(&source->pre, "jina-v2-es") ||
        mentions(&source->pre, "jina-v2-code") ||
        mentions(&source->architecture, "nomic-bert-moe") ||
        mentions(&source->architecture, "jina-bert-v3"))
        set_strip(vocab, "<mask>", SK_STRIP_LEFT);
    if (mentions(&source->pre, "modern-bert") || mentions(&source->architecture, "modern-bert"))
        set_strip(vocab, "[MASK]", SK_STRIP_LEFT);
}

/* ---- The index ------------------------------------------------------------------------------ */

static int compare_cuts(const sk_vocab_cut *a, const sk_vocab_cut *b)
{
    int order = memcmp(a->text, b->text, a->n < b->n ? a->n : b->n);
    return order ? order : (a->n > b->n) - (a->n < b->n);
}

/* Moves cuts[at] down to its place in the heap of the first `n`. */
static void sift_cut(sk_vocab_cut *cuts, uint32_t at, uint32_t n)
{
    sk_vocab_cut moved = cuts[at];
    for (uint64_t child; (child = 2 * (uint64_t)at + 1) < n; at = (uint32_t)child) {
        if (child + 1 < n && compare_cuts(&cuts[child], &cuts[child + 1]) < 0)
            child++;
        if (compare_cuts(&moved, &cuts[child]) >= 0)
            break;
        cuts[at] = cuts[child];
    }
    cuts[at] = moved;
}

static void sort_cuts(sk_vocab_cut *cuts, uint32_t n)
{
    for (uint32_t i = n / 2; i > 0; i--)
        sift_cut(cuts, i - 1, n);
    for (; n > 1; n--) {
        sk_vocab_cut largest = cuts[0];
        cuts[0] = cuts[n - 1];
        cuts[n - 1] = largest;
        sift_cut(cuts, 0, n - 1);
    }
}

static void enter_pair(sk_vocab *vocab, const uint8_t *text, uint32_t n)
{
    for (uint32_t second = 0; second < 256; second++)
        if (n == 1 || second == text[1])
            vocab->pair_seen[text[0] * 32u + second / 8] |= (uint8_t)(1u << second % 8);
}

/* Whether the token is cut out of text: of several with its text, only the one that is found. */
static bool is_cut(const sk_vocab *vocab, uint32_t id)
{
    const sk_vocab_token *token = &vocab->tokens[id];
    return sk_vocab_is_special(token) &&
           sk_vocab_find(vocab, vocab->arena + token->text, token->n_text) == (int32_t)id;
}

static int32_t index_special(sk_vocab *vocab, sk_error *error)
{
    uint32_t n = 0;
    for (uint32_t id = 0; id < vocab->n; id++)
        n += is_cut(vocab, id);
    vocab->cuts = sk_alloc_array(vocab->heap, n, sizeof *vocab->cuts, "special tokens", error);
    if (!vocab->cuts)
        return SKALD_E_MEMORY;
    n = 0;
    for (uint32_t id = 0; id < vocab->n; id++) {
        if (!is_cut(vocab, id))
            continue;
        const sk_vocab_token *token = &vocab->tokens[id];
        const uint8_t *text = (const uint8_t *)vocab->arena + token->text;
        vocab->cuts[n++] = (sk_vocab_cut){text, token->n_text, id};
        vocab->cut_first[text[0] + 1]++;
        enter_pair(vocab, text, token->n_text);
    }
    for (uint32_t byte = 0; byte < 256; byte++)
        vocab->cut_first[byte + 1] += vocab->cut_first[byte];
    sort_cuts(vocab->cuts, n);
    return SKALD_OK;
}

int32_t sk_vocab_mark_special(sk_vocab *vocab, const sk_vocab_source *source, sk_error *error)
{
    if (vocab->kind == SK_VOCAB_BPE && !source->types)
        mark_named(vocab, source);
    find_by_text(vocab);
    mark_ends(vocab);
    correct_families(vocab);
    mark_strips(vocab, source);
    return index_special(vocab, error);
}

#undef DEEPSEEK
#undef COUNT
