/* measure.c - read bandwidth and integer peak of this machine. */
#include "tensor/measure.h"

#include <stdint.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "tensor/cpu/vec.h"
#include "tensor/internal.h"

#define PASSES 8
#define READ_ITEM (256 << 10)

struct reading {
    const uint8_t *data;
    size_t bytes;
    uint64_t sum;
};

static uint64_t read_scalar(const uint8_t *p, size_t n)
{
    uint64_t sum = 0, v;

    for (size_t i = 0; i + 8 <= n; i += 8) {
        memcpy(&v, p + i, 8);
        sum ^= v;
    }
    return sum;
}

#if defined(__x86_64__)
LEVEL_AVX512 static uint64_t read_avx512(const uint8_t *p, size_t n)
{
    __m512i a = _mm512_setzero_si512(), b = a, c = a, d = a;

    for (size_t i = 0; i + 256 <= n; i += 256) {
        _mm_prefetch((const char *)p + i + 4096, _MM_HINT_T0);
        _mm_prefetch((const char *)p + i + 4160, _MM_HINT_T0);
        _mm_prefetch((const char *)p + i + 4224, _MM_HINT_T0);
        _mm_prefetch((const char *)p + i + 4288, _MM_HINT_T0);
        a = _mm512_xor_si512(a, _mm512_load_si512(p + i));
        b = _mm512_xor_si512(b, _mm512_load_si512(p + i + 64));
        c = _mm512_xor_si512(c, _mm512_load_si512(p + i + 128));
        d = _mm512_xor_si512(d, _mm512_load_si512(p + i + 192));
    }
    return (uint64_t)_mm512_reduce_add_epi64(
        _mm512_xor_si512(_mm512_xor_si512(a, b), _mm512_xor_si512(c, d)));
}

LEVEL_AVX2 static uint64_t read_avx2(const uint8_t *p, size_t n)
{
    __m256i a = _mm256_setzero_si256(), b = a;

    for (size_t i = 0; i + 64 <= n; i += 64) {
        a = _mm256_xor_si256(a, _mm256_load_si256((const __m256i *)(p + i)));
        b = _mm256_xor_si256(b, _mm256_load_si256((const __m256i *)(p + i + 32)));
    }
    a = _mm256_xor_si256(a, b);
    return (uint64_t)(_mm256_extract_epi64(a, 0) ^ _mm256_extract_epi64(a, 1));
}
#endif

static void read_item(void *arg, int item, int thread)
{
    struct reading *r = arg;
    size_t at = (size_t)item * READ_ITEM;
    size_t n = r->bytes - at < READ_ITEM ? r->bytes - at : READ_ITEM;
    uint64_t sum;

    (void)thread;
#if defined(__x86_64__)
    if (tensor_level() >= CPU_AVX512) sum = read_avx512(r->data + at, n);
    else if (tensor_level() == CPU_AVX2) sum = read_avx2(r->data + at, n);
    else
#endif
        sum = read_scalar(r->data + at, n);
    __atomic_fetch_xor(&r->sum, sum, __ATOMIC_RELAXED);
}

double measure_read(pool *threads, size_t bytes)
{
    uint8_t *data = mem_aligned(bytes);
    struct reading r = { data, bytes, 0 };
    double best = 0;

    memset(data, 1, bytes);
    for (int i = 0; i < PASSES; i++) {
        double start = clock_s(), rate;

        pool_run(threads, read_item, &r, (int)((bytes + READ_ITEM - 1) / READ_ITEM));
        rate = (double)bytes / (clock_s() - start);
        best = rate > best ? rate : best;
    }
    mem_free(data);
    return best;
}

/* Independent multiply-adds from registers; returns the operations done. The
 * sums are read at the end so that none is left out. */
#define PEAK_ROUNDS 200000

#if defined(__x86_64__)
LEVEL_AVX512 static double peak_vnni(void)
{
    __m512i sum[8], w = _mm512_set1_epi8(3), x = _mm512_set1_epi8(1);
    volatile int sink;

    for (int i = 0; i < 8; i++) sum[i] = _mm512_setzero_si512();
    for (int n = 0; n < PEAK_ROUNDS; n++) {
        UNROLL
        for (int i = 0; i < 8; i++) sum[i] = _mm512_dpbusd_epi32(sum[i], w, x);
    }
    for (int i = 0; i < 8; i++) sink = _mm512_reduce_add_epi32(sum[i]);
    (void)sink;
    return (double)PEAK_ROUNDS * 8 * 64 * 2;
}

LEVEL_AVX2 static double peak_avx2(void)
{
    __m256i sum[8], w = _mm256_set1_epi16(3), x = _mm256_set1_epi16(1);
    volatile int sink;

    for (int i = 0; i < 8; i++) sum[i] = _mm256_setzero_si256();
    for (int n = 0; n < PEAK_ROUNDS; n++) {
        UNROLL
        for (int i = 0; i < 8; i++) {
            sum[i] = _mm256_add_epi32(sum[i], _mm256_madd_epi16(w, x));
            __asm__ volatile("" : "+x"(w));
        }
    }
    for (int i = 0; i < 8; i++) sink = _mm256_extract_epi32(sum[i], 0);
    (void)sink;
    return (double)PEAK_ROUNDS * 8 * 16 * 2;
}
#endif

static double peak_scalar(void)
{
    uint32_t sum = 0, w = 3;

    for (int n = 0; n < PEAK_ROUNDS; n++) {
        __asm__ volatile("" : "+r"(w));
        sum += w * (uint32_t)n;
    }
    __asm__ volatile("" : "+r"(sum));
    return PEAK_ROUNDS * 2.0;
}

static double peak_once(void)
{
#if defined(__x86_64__)
    if (tensor_level() == CPU_AMX) return mul_peak_amx(PEAK_ROUNDS);
    if (tensor_level() == CPU_AVX512) return peak_vnni();
    if (tensor_level() == CPU_AVX2) return peak_avx2();
#endif
    return peak_scalar();
}

static void peak_item(void *arg, int item, int thread)
{
    double *ops = arg;

    (void)thread;
    ops[item] = peak_once();
}

double measure_int8(pool *threads)
{
    int n = pool_threads(threads);
    double *ops = mem_array((size_t)n, sizeof *ops), best = 0;

    for (int pass = 0; pass < PASSES; pass++) {
        double start = clock_s(), sum = 0;

        pool_run(threads, peak_item, ops, n);
        for (int i = 0; i < n; i++) sum += ops[i];
        sum /= clock_s() - start;
        best = sum > best ? sum : best;
    }
    mem_free(ops);
    return best;
}
