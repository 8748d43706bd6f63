/* hub.c - the models folder: names, what is there, and which one is meant. */
#include "model/hub.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mem.h"
#include "model/fetch.h"
#include "model/hub_names.h"

#define MAX_LOCAL 4096               /* models looked at in the folder */

/* Official repositories where they hold a type that runs here; Q8_0 where that
 * stays below 2 GB, Q4_K_M above. Checksums are the hub's to say. */
static const hub_model known[] = {
    { "smollm2-135m", "HuggingFaceTB/SmolLM2-135M-Instruct", NULL, 269 },
    { "smollm2-360m", "HuggingFaceTB/SmolLM2-360M-Instruct-GGUF",
      "smollm2-360m-instruct-q8_0.gguf", 386 },
    { "smollm2-1.7b", "HuggingFaceTB/SmolLM2-1.7B-Instruct-GGUF",
      "smollm2-1.7b-instruct-q4_k_m.gguf", 1056 },
    { "smollm3-3b", "ggml-org/SmolLM3-3B-GGUF", "SmolLM3-Q4_K_M.gguf", 1915 },
    { "qwen2.5-0.5b", "Qwen/Qwen2.5-0.5B-Instruct-GGUF",
      "qwen2.5-0.5b-instruct-q8_0.gguf", 676 },
    { "qwen2.5-1.5b", "Qwen/Qwen2.5-1.5B-Instruct-GGUF",
      "qwen2.5-1.5b-instruct-q4_k_m.gguf", 1117 },
    { "qwen3-0.6b", "Qwen/Qwen3-0.6B-GGUF", "Qwen3-0.6B-Q8_0.gguf", 639 },
    { "qwen3-1.7b", "Qwen/Qwen3-1.7B-GGUF", "Qwen3-1.7B-Q8_0.gguf", 1834 },
    { "qwen3-4b", "Qwen/Qwen3-4B-GGUF", "Qwen3-4B-Q4_K_M.gguf", 2497 },
    { "llama3.2-1b", "bartowski/Llama-3.2-1B-Instruct-GGUF",
      "Llama-3.2-1B-Instruct-Q8_0.gguf", 1321 },
    { "llama3.2-3b", "bartowski/Llama-3.2-3B-Instruct-GGUF",
      "Llama-3.2-3B-Instruct-Q4_K_M.gguf", 2019 },
    { "r1-qwen-1.5b", "bartowski/DeepSeek-R1-Distill-Qwen-1.5B-GGUF",
      "DeepSeek-R1-Distill-Qwen-1.5B-Q4_K_M.gguf", 1117 },
};

const hub_model *hub_known(int *n)
{
    *n = (int)(sizeof known / sizeof *known);
    return known;
}

const hub_model *hub_known_find(const char *name)
{
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (!strcasecmp(known[i].name, name)) return &known[i];
    return NULL;
}

void hub_size_text(uint64_t size, char out[16])
{
    static const char *const units[] = { "kB", "MB", "GB", "TB" };
    double value = (double)size / 1000;
    int i = 0;

    if (size < 1000) {
        snprintf(out, 16, "%d B", (int)size);
        return;
    }
    while (value >= 999.95 && i < 3) {
        value /= 1000;
        i++;
    }
    snprintf(out, 16, "%.1f %s", value < 99999 ? value : 99999, units[i]);
}

/* ---- names ---- */

bool name_ends(const char *name, const char *end)
{
    size_t n = strlen(name), m = strlen(end);

    return n >= m && !strcasecmp(name + n - m, end);
}

/* Letters, digits and . _ - + = with no dot in front: nothing that a shell, a
 * URL or a folder takes for something else. */
bool name_plain(const char *name, size_t len)
{
    if (len == 0 || len > NAME_MAX_LEN || name[0] == '.' || name[0] == '-') return false;
    for (size_t i = 0; i < len; i++) {
        char c = name[i];

        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
              c == '.' || c == '_' || c == '-' || c == '+' || c == '='))
            return false;
    }
    return true;
}

bool name_split_part(const char *file, int *part, int *n_part, size_t *stem)
{
    size_t n = strlen(file);
    const char *tail;
    int used = 0;

    /* "-00001-of-00003.gguf" is 20 bytes. */
    if (n <= 20 || !name_ends(file, ".gguf")) return false;
    tail = file + n - 20;
    if (sscanf(tail, "-%5d-of-%5d%n", part, n_part, &used) != 2 || used != 15) return false;
    *stem = n - 20;
    return *part >= 1 && *n_part >= *part;
}

/* ---- the folder ---- */

status hub_dir(bytes *path, errtext *err)
{
    const char *home = getenv("PONDER_HOME");

    if (home && *home) {
        bytes_add_format(path, "%s/models", home);
        return OK;
    }
    home = getenv("HOME");
    if (!home || !*home)
        return fail(err, E_ARG, "no models folder: neither PONDER_HOME nor HOME is set");
    bytes_add_format(path, "%s/.cache/ponder/models", home);
    return OK;
}

/* What weights_open takes for a folder, put into an empty path: the folder
 * when it holds config.json, else the first part of a split GGUF. Adds up the
 * sizes of the files. False when it is not a model. */
static bool folder_path(const char *dir, bytes *path, uint64_t *size)
{
    DIR *d = opendir(dir);
    struct dirent *e;
    bool config = false;
    bytes first = { 0 };             /* of a split GGUF */

    if (!d) return false;
    while ((e = readdir(d))) {
        bytes file = { 0 };
        struct stat info;
        int part, n_part;
        size_t stem;

        bytes_add_format(&file, "%s/%s", dir, e->d_name);
        if (e->d_name[0] != '.' && !stat(file.data, &info) && S_ISREG(info.st_mode)) {
            *size += (uint64_t)info.st_size;
            if (!strcmp(e->d_name, "config.json")) config = true;
            if (!first.len && name_split_part(e->d_name, &part, &n_part, &stem) && part == 1)
                bytes_add_string(&first, e->d_name);
        }
        bytes_fini(&file);
    }
    closedir(d);
    if (config) bytes_add_string(path, dir);
    else if (first.len) bytes_add_format(path, "%s/%s", dir, first.data);
    bytes_fini(&first);
    return path->len > 0;
}

/* One entry of the models folder, if it is a model. */
static bool entry_read(hub_local *m, const char *dir, const char *entry)
{
    bytes whole = { 0 }, path = { 0 };
    struct stat info;
    size_t len = strlen(entry);
    bool found = false;

    *m = (hub_local){ 0 };
    if (entry[0] == '.' || name_ends(entry, ".part")) return false;
    bytes_add_format(&whole, "%s/%s", dir, entry);
    if (stat(whole.data, &info)) {
        found = false;
    } else if (S_ISREG(info.st_mode) && name_ends(entry, ".gguf")) {
        found = true;
        len -= 5;
        m->bytes = (uint64_t)info.st_size;
        bytes_add_string(&path, whole.data);
    } else if (S_ISDIR(info.st_mode)) {
        found = folder_path(whole.data, &path, &m->bytes);
    }
    if (found) {
        m->mtime_s = (double)info.st_mtim.tv_sec + 1e-9 * (double)info.st_mtim.tv_nsec;
        m->name = mem_copy(entry, len + 1);
        m->name[len] = 0;
        m->path = bytes_take(&path);
    }
    bytes_fini(&whole);
    bytes_fini(&path);
    return found;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const hub_local *)a)->name, ((const hub_local *)b)->name);
}

/* The models of a folder whose names start so. */
static status list_dir(const char *dir, const char *start, hub_local **out, int *n,
                       errtext *err)
{
    DIR *d = opendir(dir);
    struct dirent *e;

    *out = NULL;
    *n = 0;
    if (!d && errno != ENOENT) return fail(err, E_IO, "%s: %s", dir, strerror(errno));
    while (d && (e = readdir(d)) && *n < MAX_LOCAL) {
        hub_local m;

        if (strncmp(e->d_name, start, strlen(start)) || !entry_read(&m, dir, e->d_name))
            continue;
        *out = mem_resize(*out, (size_t)*n + 1, sizeof **out);
        (*out)[(*n)++] = m;
    }
    if (d) closedir(d);
    if (*n) qsort(*out, (size_t)*n, sizeof **out, by_name);
    return OK;
}

status hub_list(hub_local **out, int *n, errtext *err)
{
    bytes dir = { 0 };
    status st;

    *out = NULL;
    *n = 0;
    if ((st = hub_dir(&dir, err)) == OK) st = list_dir(dir.data, "", out, n, err);
    bytes_fini(&dir);
    return st;
}

/* The program's folder, wherever it was called from; false where the kernel
 * does not tell. */
static bool program_dir(bytes *out)
{
    char self[4096];
    const ssize_t n = readlink("/proc/self/exe", self, sizeof self);

    if (n <= 0 || n == (ssize_t)sizeof self) return false;
    for (ssize_t i = n; i-- > 0;)
        if (self[i] == '/') {
            bytes_add(out, self, (size_t)i);
            return true;
        }
    return false;
}

void hub_shipped(hub_local **out, int *n)
{
    static const char *const places[] = { "../models", "../../models", "../share/ponder/models" };
    bytes self = { 0 };

    *out = NULL;
    *n = 0;
    if (program_dir(&self))
        for (size_t i = 0; i < sizeof places / sizeof *places && *n == 0; i++) {
            bytes dir = { 0 };

            bytes_add_format(&dir, "%s/%s", self.data ? self.data : "", places[i]);
            list_dir(dir.data, "ponder-", out, n, NULL);
            bytes_fini(&dir);
        }
    bytes_fini(&self);
}

void hub_list_free(hub_local *list, int n)
{
    for (int i = 0; i < n; i++) {
        mem_free(list[i].name);
        mem_free(list[i].path);
    }
    mem_free(list);
}

/* ---- which one is meant ---- */

static const hub_local *list_named(const hub_local *list, int n, const char *name)
{
    size_t len = strlen(name);

    for (int i = 0; i < n; i++)
        if (!strcmp(list[i].name, name)) return &list[i];
    if (name_ends(name, ".gguf")) len -= 5;
    for (int i = 0; i < n; i++)
        if (strlen(list[i].name) == len && !strncasecmp(list[i].name, name, len))
            return &list[i];
    return NULL;
}

/* Two published in the same tick: the first by name, so that the answer does
 * not change from run to run. */
static const hub_local *list_newest(const hub_local *list, int n)
{
    const hub_local *best = NULL;

    for (int i = 0; i < n; i++)
        if (!hub_is_nano(list[i].name) && (!best || list[i].mtime_s > best->mtime_s))
            best = &list[i];
    return best;
}

bool hub_is_nano(const char *name)
{
    static const char start[] = "ponder-";

    if (!strncasecmp(name, start, sizeof start - 1)) name += sizeof start - 1;
    return !strncasecmp(name, "nano", 4) && (!name[4] || name[4] == '-' || name[4] == '.');
}

/* By its name, or by what is left of it without "ponder-". */
static const hub_local *list_nano(const hub_local *list, int n, const char *name)
{
    bytes whole = { 0 };
    const hub_local *m;

    if (!hub_is_nano(name)) return NULL;
    if ((m = list_named(list, n, name))) return m;
    bytes_add_format(&whole, "ponder-%s", name);
    m = list_named(list, n, whole.data);
    bytes_fini(&whole);
    return m;
}

static status not_found(const char *name, const hub_local *list, int n, errtext *err)
{
    const hub_model *model = hub_known_find(name);
    char clean[128];
    bytes here = { 0 };
    status st;

    fetch_clean(clean, sizeof clean, name, strlen(name));
    if (model) {
        st = fail(err, E_IO, "model %s is not here yet; fetch it with: ponder pull %s",
                  model->name, model->name);
        return st;
    }
    for (int i = 0; i < n && here.len < 200; i++)
        bytes_add_format(&here, "%s%s", i ? ", " : "", list[i].name);
    if (here.len >= 200) {
        here.len = 200;
        bytes_add_string(&here, "...");
    }
    st = fail(err, E_IO, "%s: no such file and no model of that name; here: %s; to fetch one: "
              "ponder pull qwen3-0.6b (ponder models lists more)", clean,
              n ? here.data : "none");
    bytes_fini(&here);
    return st;
}

static status find_named(const char *name, bool from_env, bytes *path, errtext *err)
{
    const hub_local *m;
    hub_local *list, *shipped;
    int n, n_shipped;
    errtext why = { 0 };
    status st;

    if (file_exists(name)) {
        bytes_add_string(path, name);
        return OK;
    }
    hub_shipped(&shipped, &n_shipped);
    st = hub_list(&list, &n, &why);
    m = st == OK ? list_named(list, n, name) : NULL;
    if (!m) m = list_nano(shipped, n_shipped, name);
    if (!m && st == OK) m = list_nano(list, n, name);
    if (m) {
        bytes_add_string(path, m->path);
        st = OK;
    } else {
        if (st == OK) st = not_found(name, list, n, &why);
        fail(err, st, "%s%s", from_env ? "PONDER_MODEL: " : "", why.text);
    }
    hub_list_free(list, n);
    hub_list_free(shipped, n_shipped);
    return st;
}

status hub_find(const char *name_or_path, bytes *path, errtext *err)
{
    const char *env = getenv("PONDER_MODEL");
    hub_local *list, *shipped;
    const hub_local *m;
    errtext why = { 0 };
    int n, n_shipped;
    status st;

    if (name_or_path && *name_or_path) return find_named(name_or_path, false, path, err);
    if (env && *env) return find_named(env, true, path, err);
    hub_shipped(&shipped, &n_shipped);
    st = hub_list(&list, &n, &why);
    m = st == OK ? list_newest(list, n) : NULL;
    if (!m) m = list_nano(shipped, n_shipped, "nano");
    if (!m && st == OK) m = list_nano(list, n, "nano");
    if (m) {
        bytes_add_string(path, m->path);
        st = OK;
    } else if (st == OK) {
        st = fail(err, E_IO, "no model is here yet; fetch one with: ponder pull qwen3-0.6b "
                  "(ponder models lists more)");
    } else {
        fail(err, st, "%s", why.text);
    }
    hub_list_free(list, n);
    hub_list_free(shipped, n_shipped);
    return st;
}
