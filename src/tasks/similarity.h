/* similarity.h - text similarity metrics, as the hosted graders name them.
 *
 * No source says which implementation stood behind a hosted metric, so each is
 * there in the variants that are candidates, and the likeliest is the default:
 *
 *   fuzzy_match   fuzz.WRatio+default_process of rapidfuzz 3.10.1
 *   bleu          bleu.method4.nltk_word      sentence_bleu of NLTK
 *   gleu          gleu.nltk_word              sentence_gleu of NLTK
 *   meteor        meteor.nltk_word            NLTK, with WordNet 3.0 where it is
 *   rouge_1..5    rouge_pkg.rouge-1.f         the package called rouge
 *   rouge_l       rouge_pkg.rouge-l.f
 *
 * Variants: fuzz.{ratio, partial_ratio, token_sort_ratio, token_set_ratio,
 * token_ratio, partial_token_sort_ratio, partial_token_set_ratio,
 * partial_token_ratio, QRatio, WRatio}, each with or without +default_process;
 * bleu.{none,method1,method4}.{ws,nltk_word,13a}; gleu and meteor with the same
 * splitters; rouge_pkg.rouge-{1..5,l}.{f,p,r}; rouge_score.rouge{1..5,L}.f.
 * cosine needs a model and is not known here. */
#ifndef TASKS_SIMILARITY_H
#define TASKS_SIMILARITY_H

#include <stdbool.h>
#include <stddef.h>

#include "base/status.h"

typedef struct similarity similarity;

/* A metric by its short name or that of a variant. The caller owns *out.
 * E_ARG names the metric when it is none of the above. */
status similarity_new(similarity **out, const char *name, errtext *err);
void similarity_free(similarity *s);             /* accepts NULL */

const char *similarity_name(const similarity *s);     /* of the variant */

/* True for meteor where the WordNet 3.0 database is in neither the folder named
 * by PONDER_WORDNET nor /usr/share/wordnet (Debian: wordnet-base). Synonyms then
 * do not match and the score is lower where only they would. */
bool similarity_lacks_synonyms(const similarity *s);

/* How alike two UTF-8 texts are, mostly 0 to 1 (BLEU, being what it is, may be
 * 1e-155). E_LIMIT when comparing them would take more than about a second or
 * 256 MiB, E_ARG when the metric is not defined for them (rouge_pkg: one is
 * empty); *out is 0 then. */
status similarity_score(double *out, const similarity *s, const char *output, size_t n_output,
                        const char *reference, size_t n_reference, errtext *err);

#endif
