/* cpu.h - what this processor can do, asked once.
 *
 * Kernels choose by level at run time. PONDER_CPU=scalar|avx2|avx512|amx in the
 * environment lowers the level, for tests and for comparing paths; it never
 * raises it above what the machine has. */
#ifndef BASE_CPU_H
#define BASE_CPU_H

typedef enum cpu_level {
    CPU_SCALAR,
    CPU_AVX2,      /* AVX2, FMA, F16C */
    CPU_AVX512,    /* AVX-512 F BW DQ VL and VNNI */
    CPU_AMX,       /* AVX512 and AMX tile, int8, bf16, permitted by the kernel */
} cpu_level;

cpu_level cpu_detect(void);
const char *cpu_level_name(cpu_level level);

/* Processor name from the kernel, for the first lines of a benchmark. */
const char *cpu_model(void);

int cpu_count(void);       /* processors this process may run on */

#endif
