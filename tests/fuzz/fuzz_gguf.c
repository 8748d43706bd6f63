/* Any bytes as a GGUF file: opened, checked, its tokenizer built, every view
 * read from end to end. Mutations start at small valid files that the writer
 * makes, so no corpus is needed. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/bytes.h"
#include "model/weights.h"
#include "support/tiny_model.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed);
size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max_size);

static bytes seeds[5];

static void make_seeds(void)
{
    char path[64];

    snprintf(path, sizeof path, "/tmp/fuzz_gguf_%d", (int)getpid());
    for (int f = 0; f < 5; f++) {
        tiny_model m;
        errtext err;

        tiny_init(&m, (family)f);
        if (f == FAMILY_LLAMA) tiny_add(&m, "rope_freqs.weight", 1, 2, 1, 1);
        if (tiny_write(&m, path, &err) != OK || file_read(&seeds[f], path, 1 << 20, &err) != OK) {
            fprintf(stderr, "%s\n", err.text);
            abort();
        }
    }
    unlink(path);
}

volatile unsigned sink;      /* keeps the reads from being optimised away */

static unsigned read_all(const weights *w)
{
    unsigned sum = 0;

    for (int i = 0; i < weights_count(w); i++) {
        const weight *t = weights_at(w, i);

        for (size_t j = 0; j < t->n_bytes; j++) sum += ((const uint8_t *)t->data)[j];
    }
    return sum;
}

/* A file that exists in memory only. */
static int memory_file(const uint8_t *data, size_t size, char path[64])
{
    int fd = memfd_create("fuzz", MFD_CLOEXEC);

    if (fd < 0 || write(fd, data, size) != (ssize_t)size) abort();
    snprintf(path, 64, "/proc/self/fd/%d", fd);
    return fd;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char path[64];
    int fd = memory_file(data, size, path);
    tokenizer *t = NULL;
    weights *w;
    errtext err = { { 0 } };

    if (weights_open(&w, path, &err) == OK) {
        sink += read_all(w);
        weights_check_finite(w, &err);
        weights_tokenizer(w, &t, &err);
        weights_close(w);
    } else {
        if (w || !err.text[0]) abort();
        weights_tokenizer_only(path, &t, &err);
    }
    tokenizer_free(t);
    close(fd);
    return 0;
}

/* Whatever does not start like a GGUF file is replaced by a seed before it is
 * mutated further. */
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed)
{
    if (!seeds[0].len) make_seeds();
    if (size < 8 || memcmp(data, "GGUF\3", 5) || seed % 256 == 0) {
        const bytes *b = &seeds[seed / 256 % 5];

        if (b->len <= max_size) {
            memcpy(data, b->data, b->len);
            size = b->len;
        }
    }
    return LLVMFuzzerMutate(data, size, max_size);
}
