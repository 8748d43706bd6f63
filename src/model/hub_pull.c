/* hub_pull.c - from a name to a model on disk: list, choose, fetch, publish.
 *
 * Everything that the listing says is checked in listing_add before it is
 * used; past that point a remote_file's path is plain and its hashes are hex. */
#include "model/hub.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mem.h"
#include "model/fetch.h"
#include "model/hub_names.h"
#include "model/jsonfile.h"

#define MAX_LIST_BYTES ((size_t)4 << 20)     /* of one page */
#define MAX_LIST_PAGES 20
#define MAX_LIST_VALUES 200000
#define MAX_LIST_FILES 20000
#define MAX_FILE_BYTES (INT64_C(1) << 42)
#define MAX_PARTS 999
#define SMALL_MODEL_BYTES UINT64_C(2200000000)

typedef struct remote_file {
    char *path;              /* components are name_plain */
    uint64_t size;
    char sha256[65];         /* "" when not kept in LFS */
    char identity[65];       /* the SHA-256, else the git hash, else "" */
} remote_file;

typedef struct pull {
    const hub_options *options;
    fetch *f;
    char *hub;               /* without a slash at the end */
    char *org_repo;
    char *wanted;            /* what stood after the colon, or NULL */
    char *revision;          /* escaped for a URL */
    char *name;              /* on disk */
    char *dir;               /* the models folder */
    remote_file *files;
    int n_file;
    const remote_file **plan;
    int n_plan;
    bool folder;
    int lock_fd;
} pull;

static void tell(const pull *p, hub_event_kind kind, const char *file, uint64_t size,
                 const char *text)
{
    hub_event event = { kind, file, size, size, text };

    if (p->options->report) p->options->report(p->options->report_arg, &event);
}

static const char *leaf(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash ? slash + 1 : path;
}

/* ---- what is asked for ---- */

/* Every component a plain name, so that the path needs no escaping. */
static bool path_plain(const char *path)
{
    for (;;) {
        size_t len = strcspn(path, "/");

        if (!name_plain(path, len)) return false;
        if (!path[len]) return true;
        path += len + 1;
    }
}

static char *copy_part(const char *text, size_t len)
{
    bytes b = { 0 };

    bytes_add(&b, text, len);
    return bytes_take(&b);
}

static status parse_what(pull *p, const char *what, errtext *err)
{
    const hub_model *model = hub_known_find(what);
    const char *slash = strchr(what, '/');
    size_t len = strcspn(what, ":");
    char clean[160];

    if (model) {
        p->org_repo = mem_string(model->repo);
        p->wanted = mem_string(model->file);
        if (!p->name) p->name = mem_string(model->name);
        return OK;
    }
    fetch_clean(clean, sizeof clean, what, strlen(what));
    if (!slash)
        return fail(err, E_ARG, "%s: no known model (ponder models lists them) and not of the "
                    "form ORG/REPO[:FILE]", clean);
    p->org_repo = copy_part(what, len);
    if (!path_plain(p->org_repo) || strchr(p->org_repo, '/') != strrchr(p->org_repo, '/') ||
        !strchr(p->org_repo, '/'))
        return fail(err, E_ARG, "%s: not of the form ORG/REPO[:FILE]", clean);
    if (what[len]) {
        p->wanted = mem_string(what + len + 1);
        if (!path_plain(p->wanted))
            return fail(err, E_ARG, "%s: not a plain file name after the colon", clean);
    }
    return OK;
}

/* Endings that mean something in the models folder are not for names. */
static status check_name(const pull *p, errtext *err)
{
    if (name_plain(p->name, strlen(p->name)) && !name_ends(p->name, ".gguf") &&
        !name_ends(p->name, ".part"))
        return OK;
    return fail(err, E_ARG, "no name for a model here; --name takes letters, digits and . _ -, "
                "not ending in .gguf or .part");
}

/* Slashes of a branch name are escaped; everything else must be plain. */
static status parse_revision(pull *p, errtext *err)
{
    const char *r = p->options->revision ? p->options->revision : "main";
    bytes out = { 0 };

    if (!path_plain(r)) return fail(err, E_ARG, "revision is not a plain name");
    for (; *r; r++) {
        if (*r == '/') bytes_add_string(&out, "%2F");
        else bytes_add_char(&out, *r);
    }
    p->revision = bytes_take(&out);
    return OK;
}

static status parse_hub(pull *p, errtext *err)
{
    const char *url = p->options->hub;
    size_t len;

    if (!url) url = getenv("PONDER_HUB");
    if (!url || !*url) url = HUB_DEFAULT_URL;
    len = strlen(url);
    for (size_t i = 0; i < len; i++)
        if (url[i] <= 0x20 || url[i] >= 0x7F || strchr("?#@\\\"<>", url[i]))
            return fail(err, E_ARG, "hub address: character %zu cannot be part of one", i + 1);
    while (len && url[len - 1] == '/') len--;
    p->hub = copy_part(url, len);
    return OK;
}

/* A token goes into a header line as it is. */
static status parse_token(const pull *p, const char **out, errtext *err)
{
    const char *token = p->options->token ? p->options->token : getenv("HF_TOKEN");

    *out = token && *token ? token : NULL;
    for (const char *c = *out; c && *c; c++)
        if (*c <= 0x20 || *c >= 0x7F)
            return fail(err, E_ARG, "HF_TOKEN: holds a blank or a control character");
    return OK;
}

/* ---- the listing ---- */

static bool is_hex(const char *s, size_t want)
{
    return strlen(s) == want && strspn(s, "0123456789abcdef") == want;
}

/* Paths that no git tree can hold: whoever sends them means harm. */
static bool path_hostile(const char *path, size_t len)
{
    if (len == 0 || len > 4096 || path[0] == '/' || strlen(path) != len) return true;
    for (size_t i = 0; i < len; i++)
        if ((unsigned char)path[i] < 0x20 || path[i] == 0x7F || path[i] == '\\') return true;
    for (const char *at = path;;) {
        size_t n = strcspn(at, "/");

        if (n == 0 || (n == 1 && at[0] == '.') || (n == 2 && at[0] == '.' && at[1] == '.'))
            return true;
        if (!at[n]) return false;
        at += n + 1;
    }
}

static status listing_add(pull *p, const json_t *item, errtext *err)
{
    const json_t *path = json_object_get(item, "path"), *lfs = json_object_get(item, "lfs");
    const json_t *size = json_object_get(item, "size"), *oid = json_object_get(item, "oid");
    const char *type = json_string_value(json_object_get(item, "type"));
    const char *sha = json_string_value(json_object_get(lfs, "oid"));
    const char *git = json_string_value(oid);
    remote_file *file;
    char clean[160];

    if (!json_is_string(path) || !type)
        return fail(err, E_FORMAT, "%s: a listing entry lacks path or type", p->org_repo);
    fetch_clean(clean, sizeof clean, json_string_value(path), json_string_length(path));
    if (path_hostile(json_string_value(path), json_string_length(path)))
        return fail(err, E_FORMAT, "%s: the listing names %s, which is no path inside a "
                    "repository", p->org_repo, clean);
    if (strcmp(type, "file") || !path_plain(json_string_value(path))) return OK;
    if (json_is_object(lfs)) {
        size = json_object_get(lfs, "size");
        if (!sha || !is_hex(sha, 64))
            return fail(err, E_FORMAT, "%s: the listing gives no SHA-256 for %s", p->org_repo,
                        clean);
    }
    if (!json_is_integer(size) || json_integer_value(size) < 0 ||
        json_integer_value(size) > MAX_FILE_BYTES)
        return fail(err, E_FORMAT, "%s: the listing gives no sensible size for %s", p->org_repo,
                    clean);
    if (p->n_file == MAX_LIST_FILES)
        return fail(err, E_LIMIT, "%s: lists more than %d files", p->org_repo, MAX_LIST_FILES);
    if ((p->n_file & (p->n_file - 1)) == 0)          /* full at each power of two */
        p->files = mem_resize(p->files, (size_t)(p->n_file ? 2 * p->n_file : 1),
                              sizeof *p->files);
    file = &p->files[p->n_file++];
    *file = (remote_file){ .path = mem_string(json_string_value(path)),
                           .size = (uint64_t)json_integer_value(size) };
    if (sha) snprintf(file->sha256, sizeof file->sha256, "%s", sha);
    if (sha) snprintf(file->identity, sizeof file->identity, "%s", sha);
    else if (git && (is_hex(git, 40) || is_hex(git, 64)))
        snprintf(file->identity, sizeof file->identity, "%s", git);
    return OK;
}

/* jsonfile_parse wants an object around it all and bounds the values. */
static status listing_parse(pull *p, const bytes *page, errtext *err)
{
    bytes text = { 0 };
    json_t *root = NULL, *list;
    status st;

    bytes_add_string(&text, "{\"tree\":");
    bytes_add(&text, page->data, page->len);
    bytes_add_char(&text, '}');
    st = jsonfile_parse(&root, text.data, text.len, MAX_LIST_VALUES, "the hub's listing", err);
    list = json_object_get(root, "tree");
    if (st == OK && !json_is_array(list))
        st = fail(err, E_FORMAT, "%s: the hub's listing is not a list", p->org_repo);
    for (size_t i = 0; st == OK && i < json_array_size(list); i++)
        st = listing_add(p, json_array_get(list, i), err);
    json_decref(root);
    bytes_fini(&text);
    return st;
}

static status listing_fetch(pull *p, errtext *err)
{
    bytes url = { 0 }, page = { 0 }, next = { 0 };
    status st = OK;

    bytes_add_format(&url, "%s/api/models/%s/tree/%s?recursive=true", p->hub, p->org_repo,
                     p->revision);
    for (int i = 0; st == OK; i++) {
        bytes swap = url;

        bytes_clear(&page);
        st = fetch_text(p->f, p->org_repo, url.data, MAX_LIST_BYTES, &page, &next, err);
        if (st == OK) st = listing_parse(p, &page, err);
        if (st != OK || !next.len) break;
        if (i + 1 == MAX_LIST_PAGES)
            st = fail(err, E_LIMIT, "%s: its listing has more than %d pages", p->org_repo,
                      MAX_LIST_PAGES);
        url = next;
        next = swap;
    }
    bytes_fini(&url);
    bytes_fini(&page);
    bytes_fini(&next);
    return st;
}

/* ---- what to take ---- */

static const remote_file *file_at(const pull *p, const char *path)
{
    for (int i = 0; i < p->n_file; i++)
        if (!strcmp(p->files[i].path, path)) return &p->files[i];
    return NULL;
}

static status plan_add(pull *p, const remote_file *file, errtext *err)
{
    for (int i = 0; i < p->n_plan; i++)
        if (!strcmp(leaf(p->plan[i]->path), leaf(file->path)))
            return fail(err, E_FORMAT, "%s: lists %s twice", p->org_repo, leaf(file->path));
    if (!file->identity[0])
        return fail(err, E_FORMAT, "%s: the listing gives no hash for %s", p->org_repo,
                    file->path);
    p->plan = mem_resize(p->plan, (size_t)p->n_plan + 1, sizeof(remote_file *));
    p->plan[p->n_plan++] = file;
    return OK;
}

/* A .gguf that starts a model: whole, or the first of its parts. */
static bool is_model_gguf(const remote_file *file)
{
    int part, n_part;
    size_t stem;

    if (!name_ends(file->path, ".gguf") || strcasestr(leaf(file->path), "mmproj")) return false;
    return !name_split_part(file->path, &part, &n_part, &stem) || part == 1;
}

/* The .gguf files there are, for an error. */
static void gguf_names(const pull *p, bytes *out)
{
    for (int i = 0; i < p->n_file && out->len < 250; i++)
        if (is_model_gguf(&p->files[i]))
            bytes_add_format(out, "%s%s", out->len ? ", " : "", p->files[i].path);
    if (!out->len) bytes_add_string(out, "none");
}

static status no_match(const pull *p, const char *why, errtext *err)
{
    bytes names = { 0 };
    status st;

    gguf_names(p, &names);
    st = fail(err, E_ARG, "%s: %s%s; its .gguf files: %s", p->org_repo, why,
              p->wanted ? p->wanted : "", names.data);
    bytes_fini(&names);
    return st;
}

/* The file that the user named: by its path, or by a part of one name. */
static status choose_wanted(const pull *p, const remote_file **out, errtext *err)
{
    *out = file_at(p, p->wanted);
    if (*out && !name_ends(p->wanted, ".gguf"))
        return fail(err, E_ARG, "%s: only a .gguf can be fetched on its own, %s is none",
                    p->org_repo, p->wanted);
    for (int i = 0; !file_at(p, p->wanted) && i < p->n_file; i++) {
        if (!is_model_gguf(&p->files[i]) || !strcasestr(leaf(p->files[i].path), p->wanted))
            continue;
        if (*out) return no_match(p, "several files match ", err);
        *out = &p->files[i];
    }
    return *out ? OK : no_match(p, "holds no ", err);
}

/* Without a wish: Q8_0 where that is small, else Q4_K_M, else what is there. */
static status choose_gguf(const pull *p, const remote_file **out, errtext *err)
{
    static const struct { const char *tag; uint64_t max_size; } order[] = {
        { "q8_0", SMALL_MODEL_BYTES }, { "q4_k_m", UINT64_MAX }, { "q8_0", UINT64_MAX },
        { "q6_k", UINT64_MAX }, { "q5_k_m", UINT64_MAX }, { "q4_0", UINT64_MAX },
        { "bf16", UINT64_MAX }, { "f16", UINT64_MAX }, { "", UINT64_MAX },
    };
    int n = 0;

    *out = NULL;
    for (int i = 0; i < p->n_file; i++) n += is_model_gguf(&p->files[i]);
    for (size_t k = 0; k < sizeof order / sizeof *order && !*out; k++) {
        if (!order[k].tag[0] && n > 1) return no_match(p, "it takes a file name after a colon", err);
        for (int i = 0; i < p->n_file && !*out; i++) {
            const remote_file *file = &p->files[i];

            if (is_model_gguf(file) && file->size <= order[k].max_size &&
                strcasestr(leaf(file->path), order[k].tag))
                *out = file;
        }
    }
    return OK;
}

static status plan_gguf(pull *p, const remote_file *file, errtext *err)
{
    int part, n_part;
    size_t stem;
    status st = OK;

    if (!name_split_part(file->path, &part, &n_part, &stem)) return plan_add(p, file, err);
    if (n_part > MAX_PARTS)
        return fail(err, E_LIMIT, "%s: split in more than %d parts", file->path, MAX_PARTS);
    p->folder = true;
    for (int i = 1; st == OK && i <= n_part; i++) {
        bytes path = { 0 };
        const remote_file *next;

        bytes_add_format(&path, "%.*s-%05d-of-%05d.gguf", (int)stem, file->path, i, n_part);
        next = file_at(p, path.data);
        st = next ? plan_add(p, next, err)
                  : fail(err, E_FORMAT, "%s: part %s is missing", p->org_repo, path.data);
        bytes_fini(&path);
    }
    return st;
}

/* The files of a safetensors repository that weights_open reads, and the
 * templates; the same weights in other formats stay there. */
static status plan_folder(pull *p, errtext *err)
{
    static const char *const names[] = {
        "config.json", "generation_config.json", "tokenizer.json", "tokenizer_config.json",
        "special_tokens_map.json", "chat_template.jinja", "chat_template.json",
        "model.safetensors", "model.safetensors.index.json",
    };
    bool one = file_at(p, "model.safetensors"), weights = one;
    status st = OK;

    p->folder = true;
    if (!file_at(p, "config.json") || !file_at(p, "tokenizer.json"))
        return fail(err, E_UNSUPPORTED, "%s: holds no .gguf, and no config.json with "
                    "tokenizer.json", p->org_repo);
    for (size_t i = 0; st == OK && i < sizeof names / sizeof *names; i++) {
        const remote_file *file = file_at(p, names[i]);

        if (one && name_ends(names[i], ".index.json")) continue;
        if (file) st = plan_add(p, file, err);
    }
    for (int i = 0; st == OK && !one && i < p->n_file; i++) {
        const char *path = p->files[i].path;

        if (strncmp(path, "model-", 6) || strchr(path, '/') || !name_ends(path, ".safetensors"))
            continue;
        st = plan_add(p, &p->files[i], err);
        weights = true;
    }
    if (st == OK && !weights)
        st = fail(err, E_UNSUPPORTED, "%s: holds neither .gguf nor .safetensors weights",
                  p->org_repo);
    return st;
}

static status plan_make(pull *p, errtext *err)
{
    const remote_file *file = NULL;
    int part, n_part;
    size_t len;
    status st;

    st = p->wanted ? choose_wanted(p, &file, err) : choose_gguf(p, &file, err);
    if (st == OK) st = file ? plan_gguf(p, file, err) : plan_folder(p, err);
    if (st != OK || p->name) return st;
    if (!file) {
        p->name = mem_string(leaf(p->org_repo));
    } else {
        const char *name = leaf(file->path);

        if (!name_split_part(name, &part, &n_part, &len)) len = strlen(name) - 5;
        p->name = copy_part(name, len);
    }
    return check_name(p, err);
}

static uint64_t plan_size(const pull *p)
{
    uint64_t size = 0;

    for (int i = 0; i < p->n_plan; i++) size += p->plan[i]->size;
    return size;
}

/* ---- onto the disk ---- */

/* One pull of a model at a time. The lock file is removed by its holder while
 * it is held; whoever opened it before then notices that it is another file. */
static status lock_take(pull *p, bytes *path, errtext *err)
{
    bytes_add_format(path, "%s/.%s.lock", p->dir, p->name);
    for (;;) {
        struct stat held, there;
        int fd = open(path->data, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);

        if (fd < 0) return fail(err, E_IO, "%s: %s", path->data, strerror(errno));
        if (flock(fd, LOCK_EX | LOCK_NB)) {
            status st = errno == EWOULDBLOCK
                ? fail(err, E_IO, "another pull of %s is running", p->name)
                : fail(err, E_IO, "%s: %s", path->data, strerror(errno));

            close(fd);
            return st;
        }
        if (!fstat(fd, &held) && !stat(path->data, &there) && held.st_ino == there.st_ino) {
            p->lock_fd = fd;
            return OK;
        }
        close(fd);
    }
}

static void lock_drop(pull *p, const bytes *path)
{
    if (p->lock_fd < 0) return;
    unlink(path->data);
    close(p->lock_fd);
    p->lock_fd = -1;
}

static uint64_t file_size(const char *path)
{
    struct stat info;

    return lstat(path, &info) || !S_ISREG(info.st_mode) ? 0 : (uint64_t)info.st_size;
}

/* What is to come must fit beside what is there of it already. */
static status check_room(const pull *p, errtext *err)
{
    struct statvfs fs;
    uint64_t need = 0, room;
    char need_text[16], room_text[16];

    for (int i = 0; i < p->n_plan; i++) {
        uint64_t size = p->plan[i]->size, have;
        bytes path = { 0 };

        bytes_add_format(&path, p->folder ? "%s/%s.part/%s" : "%s/%s.gguf", p->dir, p->name,
                         leaf(p->plan[i]->path));
        have = p->folder ? file_size(path.data) : 0;
        bytes_add_string(&path, ".part");
        have += file_size(path.data);
        need += have < size ? size - have : 0;
        bytes_fini(&path);
    }
    if (statvfs(p->dir, &fs)) return fail(err, E_IO, "%s: %s", p->dir, strerror(errno));
    room = (uint64_t)fs.f_bavail * fs.f_frsize;
    if (need <= room) return OK;
    hub_size_text(need, need_text);
    hub_size_text(room, room_text);
    return fail(err, E_IO, "%s: %s more are needed, %s are free in %s", p->name, need_text,
                room_text, p->dir);
}

/* Does the file at path hold what the hub lists? `sure` asks for a checksum;
 * without, equal size is enough where the listing has none. */
static status matches(const pull *p, const char *path, const remote_file *file, bool sure,
                      bool *same, errtext *err)
{
    struct stat info;
    char hex[65];
    status st;

    *same = false;
    if (lstat(path, &info) || !S_ISREG(info.st_mode) || (uint64_t)info.st_size != file->size)
        return OK;
    if (!file->sha256[0]) {
        *same = !sure;
        return OK;
    }
    st = fetch_hash(p->f, file->path, path, hex, err);
    *same = st == OK && !strcmp(hex, file->sha256);
    return st;
}

static status fetch_one(const pull *p, const remote_file *file, const char *path, errtext *err)
{
    bytes url = { 0 };
    fetch_target target = { .name = file->path, .path = path, .identity = file->identity,
                            .sha256 = file->sha256[0] ? file->sha256 : NULL,
                            .size = file->size };
    status st;

    bytes_add_format(&url, "%s/%s/resolve/%s/%s", p->hub, p->org_repo, p->revision, file->path);
    target.url = url.data;
    st = fetch_file(p->f, &target, err);
    bytes_fini(&url);
    return st;
}

static status taken(const pull *p, const char *path, errtext *err)
{
    return fail(err, E_ARG, "%s is there already and differs from what the hub has; --force "
                "replaces it, --name NAME keeps both (%s)", p->name, path);
}

static status pull_file(pull *p, bytes *path, errtext *err)
{
    const remote_file *file = p->plan[0];
    bytes final = { 0 };
    bool same = false;
    status st = OK;

    bytes_add_format(&final, "%s/%s.gguf", p->dir, p->name);
    if (file_exists(final.data)) {
        st = matches(p, final.data, file, false, &same, err);
        if (same) tell(p, HUB_HERE, file->path, file->size, NULL);
        else if (st == OK && !p->options->replace) st = taken(p, final.data, err);
    }
    if (st == OK && !same) st = check_room(p, err);
    if (st == OK && !same) st = fetch_one(p, file, final.data, err);
    if (st == OK) bytes_add(path, final.data, final.len);
    bytes_fini(&final);
    return st;
}

/* One file into the folder that is being filled: kept from an earlier try,
 * linked from the model it will replace, or fetched. */
static status stage_file(const pull *p, const remote_file *file, const char *stage,
                         const char *final, errtext *err)
{
    bytes to = { 0 }, old = { 0 };
    bool same = false;
    status st;

    bytes_add_format(&to, "%s/%s", stage, leaf(file->path));
    bytes_add_format(&old, "%s/%s", final, leaf(file->path));
    st = matches(p, to.data, file, true, &same, err);
    if (st == OK && !same) {
        unlink(to.data);
        st = matches(p, old.data, file, true, &same, err);
        if (same) same = !link(old.data, to.data) && file_sync_parent(to.data, NULL) == OK;
    }
    if (same) tell(p, HUB_HERE, file->path, file->size, NULL);
    else if (st == OK) st = fetch_one(p, file, to.data, err);
    bytes_fini(&to);
    bytes_fini(&old);
    return st;
}

static int remove_entry(const char *path, const struct stat *info, int kind, struct FTW *ftw)
{
    (void)info, (void)kind, (void)ftw;
    return remove(path);
}

/* Whatever else lies in the stage comes from another revision. */
static void stage_sweep(const pull *p, const char *stage)
{
    DIR *d = opendir(stage);
    struct dirent *e;

    while (d && (e = readdir(d))) {
        bool planned = !strcmp(e->d_name, ".") || !strcmp(e->d_name, "..");
        bytes path = { 0 };

        for (int i = 0; i < p->n_plan; i++)
            planned = planned || !strcmp(e->d_name, leaf(p->plan[i]->path));
        bytes_add_format(&path, "%s/%s", stage, e->d_name);
        if (!planned) nftw(path.data, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
        bytes_fini(&path);
    }
    if (d) closedir(d);
}

/* The stage takes the final name in one step; what stood there is removed
 * afterwards, under the stage's name, so that a crash in between leaves
 * nothing that looks like a model. */
static status stage_publish(const pull *p, const char *stage, const char *final, errtext *err)
{
    bool swap = file_exists(final);

    stage_sweep(p, stage);
    if (renameat2(AT_FDCWD, stage, AT_FDCWD, final, swap ? RENAME_EXCHANGE : 0))
        return fail(err, E_IO, "%s: %s", final, strerror(errno));
    if (swap) nftw(stage, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
    return file_sync_parent(final, err);
}

static status folder_same(const pull *p, const char *final, bool *same, errtext *err)
{
    status st = OK;

    *same = true;
    for (int i = 0; st == OK && *same && i < p->n_plan; i++) {
        bytes path = { 0 };

        bytes_add_format(&path, "%s/%s", final, leaf(p->plan[i]->path));
        st = matches(p, path.data, p->plan[i], false, same, err);
        bytes_fini(&path);
    }
    return st;
}

static status pull_folder(pull *p, bytes *path, errtext *err)
{
    bytes final = { 0 }, stage = { 0 };
    bool same = false;
    status st = OK;

    bytes_add_format(&final, "%s/%s", p->dir, p->name);
    bytes_add_format(&stage, "%s/%s.part", p->dir, p->name);
    if (file_exists(final.data)) {
        st = folder_same(p, final.data, &same, err);
        if (st == OK && same) tell(p, HUB_HERE, p->name, plan_size(p), NULL);
        else if (st == OK && !p->options->replace) st = taken(p, final.data, err);
    }
    if (st == OK && !same) {
        st = check_room(p, err);
        if (st == OK) st = file_make_dir(stage.data, err);
        for (int i = 0; st == OK && i < p->n_plan; i++)
            st = stage_file(p, p->plan[i], stage.data, final.data, err);
        if (st == OK) st = stage_publish(p, stage.data, final.data, err);
    }
    if (st == OK) {
        bytes_add(path, final.data, final.len);
        if (name_ends(p->plan[0]->path, ".gguf"))
            bytes_add_format(path, "/%s", leaf(p->plan[0]->path));
    }
    bytes_fini(&final);
    bytes_fini(&stage);
    return st;
}

/* NAME.gguf and the folder NAME would be the same model by name. */
static status other_kind(const pull *p, errtext *err)
{
    bytes other = { 0 };
    status st = OK;

    bytes_add_format(&other, p->folder ? "%s/%s.gguf" : "%s/%s", p->dir, p->name);
    if (file_exists(other.data))
        st = fail(err, E_ARG, "%s is there already, as %s; remove it or use --name", p->name,
                  other.data);
    bytes_fini(&other);
    return st;
}

static void announce(const pull *p)
{
    bytes text = { 0 };
    char size[16];

    hub_size_text(plan_size(p), size);
    if (p->n_plan == 1)
        bytes_add_format(&text, "%s: %s (%s) as %s", p->org_repo, p->plan[0]->path, size,
                         p->name);
    else
        bytes_add_format(&text, "%s: %d files (%s) as %s", p->org_repo, p->n_plan, size,
                         p->name);
    tell(p, HUB_CHOSEN, p->org_repo, plan_size(p), text.data);
    bytes_fini(&text);
}

static status pull_store(pull *p, bytes *path, errtext *err)
{
    bytes dir = { 0 }, lock = { 0 };
    status st = hub_dir(&dir, err);

    if (st == OK) {
        p->dir = mem_string(dir.data);
        st = file_make_dir(p->dir, err);
    }
    if (st == OK) st = other_kind(p, err);
    if (st == OK) st = lock_take(p, &lock, err);
    if (st == OK) st = p->folder ? pull_folder(p, path, err) : pull_file(p, path, err);
    lock_drop(p, &lock);
    bytes_fini(&dir);
    bytes_fini(&lock);
    return st;
}

static void pull_fini(pull *p)
{
    fetch_close(p->f);
    for (int i = 0; i < p->n_file; i++) mem_free(p->files[i].path);
    mem_free(p->files);
    mem_free(p->plan);
    mem_free(p->hub);
    mem_free(p->org_repo);
    mem_free(p->wanted);
    mem_free(p->revision);
    mem_free(p->name);
    mem_free(p->dir);
}

status hub_pull(const char *what, const hub_options *options, bytes *path, errtext *err)
{
    static const hub_options defaults;
    const hub_options *o = options ? options : &defaults;
    pull p = { .options = o, .lock_fd = -1, .name = mem_string(o->name) };
    fetch_policy policy = { .n_retry = o->n_retry ? o->n_retry : 5,
                            .wait_ms = o->wait_ms ? o->wait_ms : 500, .stop = o->stop,
                            .report = o->report, .report_arg = o->report_arg };
    status st = OK;

    if (p.name) st = check_name(&p, err);
    if (st == OK) st = parse_what(&p, what, err);
    if (st == OK) st = parse_hub(&p, err);
    if (st == OK) st = parse_revision(&p, err);
    if (st == OK) st = parse_token(&p, &policy.token, err);
    if (st == OK) {
        policy.home = p.hub;
        st = fetch_open(&p.f, &policy, err);
    }
    if (st == OK) st = listing_fetch(&p, err);
    if (st == OK) st = plan_make(&p, err);
    if (st == OK) {
        announce(&p);
        st = pull_store(&p, path, err);
    }
    pull_fini(&p);
    return st;
}
