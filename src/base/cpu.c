/* cpu.c - processor features by CPUID. */
#include "base/cpu.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#if defined(__x86_64__)
#include <cpuid.h>

/* Linux hands out the 8 KiB tile state only on request (arch_prctl(2)). */
#define ARCH_REQ_XCOMP_PERM 0x1023
#define XFEATURE_XTILEDATA 18

static int has_amx(void)
{
    unsigned a, b, c, d;

    if (!__get_cpuid_count(7, 0, &a, &b, &c, &d)) return 0;
    if (!(d & 1u << 22) || !(d & 1u << 24) || !(d & 1u << 25)) return 0;
    return syscall(SYS_arch_prctl, ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA) == 0;
}

/* By hand: clang 14 does not know "f16c" in __builtin_cpu_supports. */
static int has_f16c(void)
{
    unsigned a, b, c, d;

    return __get_cpuid(1, &a, &b, &c, &d) && c & bit_F16C;
}

static cpu_level best_level(void)
{
    __builtin_cpu_init();
    if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma") || !has_f16c())
        return CPU_SCALAR;
    if (!__builtin_cpu_supports("avx512f") || !__builtin_cpu_supports("avx512bw") ||
        !__builtin_cpu_supports("avx512dq") || !__builtin_cpu_supports("avx512vl") ||
        !__builtin_cpu_supports("avx512vnni"))
        return CPU_AVX2;
    return has_amx() ? CPU_AMX : CPU_AVX512;
}
#else
static cpu_level best_level(void)
{
    return CPU_SCALAR;
}
#endif

const char *cpu_level_name(cpu_level level)
{
    static const char *const names[] = { "scalar", "avx2", "avx512", "amx" };

    return names[level];
}

cpu_level cpu_detect(void)
{
    const char *wish = getenv("PONDER_CPU");
    cpu_level best = best_level();

    for (int l = CPU_SCALAR; wish && l < (int)best; l++)
        if (!strcmp(wish, cpu_level_name((cpu_level)l))) return (cpu_level)l;
    return best;
}

const char *cpu_model(void)
{
    static char name[128];
    char line[256];
    FILE *f;

    if (name[0]) return name;
    snprintf(name, sizeof name, "unknown processor");
    f = fopen("/proc/cpuinfo", "r");
    while (f && fgets(line, sizeof line, f)) {
        char *colon = strchr(line, ':');

        if (strncmp(line, "model name", 10) || !colon) continue;
        line[strcspn(line, "\n")] = 0;
        snprintf(name, sizeof name, "%.120s", colon + 2);
        break;
    }
    if (f) fclose(f);
    return name;
}

int cpu_count(void)
{
    cpu_set_t set;

    if (sched_getaffinity(0, sizeof set, &set)) return 1;
    return CPU_COUNT(&set);
}
