/* adapter.h - low-rank adapters over a loaded model (Hu et al. 2021).
 *
 * An adapter adds scale * B (A x) to the products of a layer's matrices, in the
 * one forward, so that sampling uses it at once and the same bits come out of
 * any batch. It is a small GGUF file with the keys and names of llama.cpp's
 * adapters: general.type "adapter", adapter.type "lora", adapter.lora.alpha,
 * and for each matrix NAME the tensors NAME.lora_a [rank, n_in] and NAME.lora_b
 * [n_out, rank]. Experts have one stacked pair. */
#ifndef MODEL_ADAPTER_H
#define MODEL_ADAPTER_H

#include "model/model.h"

#define ADAPTER_MAX_RANK 4096

/* Put the adapter file at PATH on m, in place of the one that is there; on
 * failure that one stays. No pass may be running, and keys and values that were
 * computed before belong to the model before. E_IO: cannot be read; E_FORMAT:
 * not an adapter, or names the tensor that has another shape, no partner or no
 * place; E_UNSUPPORTED: another family or kind of adapter; E_ARG: a trainer has
 * its own adapter on m. */
status adapter_load(model *m, const char *path, pool *threads, errtext *err);

/* Back to the base weights; fine when there is no adapter. */
void adapter_unload(model *m);

/* Rank of the widest matrix pair, 0 when there is none. */
int adapter_rank(const model *m);

#endif
