/* tile.h - AMX tile instructions as assembly with memory clobbers: gcc 12's own
 * wrappers let it move stores across tile loads and drop stores to the
 * configuration. */
#ifndef TENSOR_CPU_TILE_H
#define TENSOR_CPU_TILE_H

#include <stddef.h>
#include <stdint.h>

#include "tensor/cpu/vec.h"

#if defined(__x86_64__)
#define TILE_LOAD(t, base, stride)                                          \
    __asm__ volatile("tileloadd (%0,%1,1), %%tmm" #t ::"r"(base),           \
                     "r"((size_t)(stride)) : "memory")
#define TILE_STORE(t, base, stride)                                         \
    __asm__ volatile("tilestored %%tmm" #t ", (%0,%1,1)" ::"r"(base),       \
                     "r"((size_t)(stride)) : "memory")
#define TILE_ZERO(t) __asm__ volatile("tilezero %%tmm" #t ::: "memory")
/* c += bytes of a * bytes of b, both signed */
#define TILE_DOT_S8(c, a, b) \
    __asm__ volatile("tdpbssd %%tmm" #b ", %%tmm" #a ", %%tmm" #c ::: "memory")
#define TILE_DOT_BF16(c, a, b) \
    __asm__ volatile("tdpbf16ps %%tmm" #b ", %%tmm" #a ", %%tmm" #c ::: "memory")

/* Tiles 0-3 are sums, 4 and 5 of 16 rows of a_bytes, 6 and 7 of b_rows rows of
 * 64 bytes. Intel SDM vol. 1, 18.3: palette 1, bytes a row and rows of each. */
static inline void tiles_begin(int a_bytes, int b_rows)
{
    struct {
        uint8_t palette;
        uint8_t start_row;
        uint8_t reserved[14];
        uint16_t row_bytes[16];
        uint8_t rows[16];
    } cfg = { .palette = 1 };

    UNROLL
    for (int t = 0; t < 8; t++) {
        cfg.rows[t] = (uint8_t)(t < 6 ? 16 : b_rows);
        cfg.row_bytes[t] = (uint16_t)(t == 4 || t == 5 ? a_bytes : 64);
    }
    __asm__ volatile("ldtilecfg %0" ::"m"(cfg) : "memory");
}

static inline void tiles_end(void)
{
    __asm__ volatile("tilerelease" ::: "memory");
}
#endif

#endif
