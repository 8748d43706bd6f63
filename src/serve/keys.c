/* keys.c - the key file. */
#include "serve/keys.h"

#include <jansson.h>
#include <pthread.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"

#define MAX_FILE_BYTES (16 << 20)
#define MAX_KEYS 100000
#define LOOK_EVERY_S 1.0

typedef struct entry {
    uint8_t hash[crypto_hash_sha256_BYTES];
    identity who;
} entry;

/* What tells a changed file from an unchanged one. */
typedef struct stamp {
    int64_t mtime_ns, size;
    uint64_t inode;
} stamp;

struct keys {
    char *path;
    logger *log;
    pthread_mutex_t lock;
    entry *entries;
    int n_entry;
    stamp seen;
    double looked_s;
};

uint64_t tenant_number(const char *tenant)
{
    uint8_t hash[crypto_hash_sha256_BYTES];
    uint64_t number;

    crypto_hash_sha256(hash, (const uint8_t *)tenant, strlen(tenant));
    memcpy(&number, hash, sizeof number);
    return number;
}

identity identity_anonymous(void)
{
    return (identity){ .name = "anonymous", .tenant = "default",
                       .tenant_id = tenant_number("default") };
}

/* ------------------------------------------------------------------- the file */

static bool copy_name(char out[IDENTITY_MAX], const json_t *value)
{
    const char *text = json_string_value(value);

    if (!text || !*text || strlen(text) >= IDENTITY_MAX ||
        strlen(text) != json_string_length(value))
        return false;
    /* Names stand in headers, logs and metrics. */
    for (const char *p = text; *p; p++)
        if ((unsigned char)*p < 0x21 || *p == 0x7F || *p == '"' || *p == '\\') return false;
    strcpy(out, text);
    return true;
}

static bool read_rate(int64_t *out, const json_t *value)
{
    *out = json_integer_value(value);
    return json_is_integer(value) && *out > 0 && *out <= (int64_t)1 << 50;
}

static bool read_hash(uint8_t out[32], const json_t *value)
{
    const char *text = json_string_value(value);
    size_t n;

    return text && strlen(text) == 64 && !sodium_hex2bin(out, 32, text, 64, NULL, &n, NULL) &&
           n == 32;
}

/* One field of an entry; NULL when it is well, else what it should be. */
static const char *read_field(entry *e, const char *name, const json_t *value, int *n_secret)
{
    if (!strcmp(name, "name"))
        return copy_name(e->who.name, value) ? NULL : "a name of 1 to 63 printable characters";
    if (!strcmp(name, "tenant"))
        return copy_name(e->who.tenant, value) ? NULL : "a name of 1 to 63 printable characters";
    if (!strcmp(name, "sha256")) {
        ++*n_secret;
        return read_hash(e->hash, value) ? NULL : "64 hexadecimal digits";
    }
    if (!strcmp(name, "key")) {
        ++*n_secret;
        if (!json_is_string(value) || json_string_length(value) < 8)
            return "a string of at least 8 bytes";
        crypto_hash_sha256(e->hash, (const uint8_t *)json_string_value(value),
                           json_string_length(value));
        return NULL;
    }
    if (!strcmp(name, "requests_per_minute"))
        return read_rate(&e->who.rates.requests, value) ? NULL : "a whole number above 0";
    if (!strcmp(name, "tokens_per_minute"))
        return read_rate(&e->who.rates.tokens, value) ? NULL : "a whole number above 0";
    if (!strcmp(name, "admin") || !strcmp(name, "reasoning")) {
        *(*name == 'a' ? &e->who.admin : &e->who.reasoning) = json_is_true(value);
        return json_is_boolean(value) ? NULL : "true or false";
    }
    return "known, and is not";
}

static status read_entry(entry *e, const json_t *object, size_t i, const char *path, errtext *err)
{
    int n_secret = 0;
    const char *name;
    json_t *value;

    if (!json_is_object(object))
        return fail(err, E_FORMAT, "%s: keys[%zu]: must be an object", path, i);
    json_object_foreach((json_t *)object, name, value) {
        const char *want = read_field(e, name, value, &n_secret);

        if (want)
            return fail(err, E_FORMAT, "%s: keys[%zu].%.60s: must be %s", path, i, name, want);
    }
    if (!*e->who.name) return fail(err, E_FORMAT, "%s: keys[%zu].name: is missing", path, i);
    if (n_secret != 1)
        return fail(err, E_FORMAT, "%s: keys[%zu]: needs one of key and sha256", path, i);
    if (!*e->who.tenant) strcpy(e->who.tenant, e->who.name);
    e->who.tenant_id = tenant_number(e->who.tenant);
    return OK;
}

static status read_entries(entry **out, int *n, const json_t *root, const char *path,
                           errtext *err)
{
    const json_t *list = json_object_get(root, "keys");
    size_t count = json_array_size(list);
    entry *entries;

    if (!json_is_array(list) || json_object_size(root) != 1)
        return fail(err, E_FORMAT, "%s: must be an object with one field, \"keys\", a list", path);
    if (count > MAX_KEYS) return fail(err, E_LIMIT, "%s: more than %d keys", path, MAX_KEYS);
    entries = mem_array(count, sizeof *entries);
    for (size_t i = 0; i < count; i++) {
        status st = read_entry(&entries[i], json_array_get(list, i), i, path, err);

        for (size_t k = 0; k < i && st == OK && count <= 1000; k++) {
            if (!strcmp(entries[k].who.name, entries[i].who.name))
                st = fail(err, E_FORMAT, "%s: keys[%zu].name: is that of keys[%zu]", path, i, k);
            else if (!memcmp(entries[k].hash, entries[i].hash, sizeof entries[i].hash))
                st = fail(err, E_FORMAT, "%s: keys[%zu]: has the key of keys[%zu]", path, i, k);
        }
        if (st != OK) {
            mem_free(entries);
            return st;
        }
    }
    *out = entries;
    *n = (int)count;
    return OK;
}

static status read_file(entry **out, int *n, const char *path, errtext *err)
{
    bytes text = { 0 };
    json_error_t why;
    json_t *root = NULL;
    status st = file_read(&text, path, MAX_FILE_BYTES, err);

    if (st == OK) {
        root = json_loadb(text.data, text.len, JSON_REJECT_DUPLICATES, &why);
        if (!root)
            st = fail(err, E_FORMAT, "%s: line %d, column %d: %s", path, why.line, why.column,
                      why.text);
        else
            st = read_entries(out, n, root, path, err);
    }
    json_decref(root);
    if (text.data) sodium_memzero(text.data, text.len);
    bytes_fini(&text);
    return st;
}

static bool stamp_of(const char *path, stamp *out)
{
    struct stat info;

    *out = (stamp){ 0 };
    if (stat(path, &info)) return false;
    out->mtime_ns = (int64_t)info.st_mtim.tv_sec * 1000000000 + info.st_mtim.tv_nsec;
    out->size = info.st_size;
    out->inode = info.st_ino;
    return true;
}

static status reload_locked(keys *k, errtext *err)
{
    entry *entries = NULL;
    int n = 0;
    status st;

    stamp_of(k->path, &k->seen);     /* before reading: a later change is seen */
    k->looked_s = clock_s();
    st = read_file(&entries, &n, k->path, err);
    if (st != OK) return st;
    if (k->entries) sodium_memzero(k->entries, (size_t)k->n_entry * sizeof *k->entries);
    mem_free(k->entries);
    k->entries = entries;
    k->n_entry = n;
    return OK;
}

status keys_reload(keys *k, errtext *err)
{
    status st;

    pthread_mutex_lock(&k->lock);
    st = reload_locked(k, err);
    pthread_mutex_unlock(&k->lock);
    return st;
}

status keys_open(keys **out, const char *path, logger *log, errtext *err)
{
    keys *k = mem_new(sizeof *k);
    status st;

    *out = NULL;
    k->path = mem_string(path);
    k->log = log;
    pthread_mutex_init(&k->lock, NULL);
    st = sodium_init() < 0 ? fail(err, E_IO, "no source of random numbers")
                           : keys_reload(k, err);
    if (st != OK) {
        keys_close(k);
        return st;
    }
    *out = k;
    return OK;
}

void keys_close(keys *k)
{
    if (!k) return;
    if (k->entries) sodium_memzero(k->entries, (size_t)k->n_entry * sizeof *k->entries);
    pthread_mutex_destroy(&k->lock);
    mem_free(k->entries);
    mem_free(k->path);
    mem_free(k);
}

/* -------------------------------------------------------------------- look-up */

static void look_for_change(keys *k)
{
    stamp now;
    errtext err;

    if (clock_s() - k->looked_s < LOOK_EVERY_S) return;
    k->looked_s = clock_s();
    stamp_of(k->path, &now);
    if (now.mtime_ns == k->seen.mtime_ns && now.size == k->seen.size &&
        now.inode == k->seen.inode)
        return;
    if (reload_locked(k, &err) == OK)
        LOG(k->log, LOG_NOTE, "keys read again", log_int("keys", k->n_entry));
    else
        LOG(k->log, LOG_ERROR, "keys not read, those of before stay",
            log_text("error", err.text));
}

bool keys_find(keys *k, const char *key, identity *out)
{
    uint8_t hash[crypto_hash_sha256_BYTES];
    int found = -1;

    crypto_hash_sha256(hash, (const uint8_t *)key, strlen(key));
    pthread_mutex_lock(&k->lock);
    look_for_change(k);
    /* Through all of them, found or not. */
    for (int i = 0; i < k->n_entry; i++)
        if (sodium_memcmp(hash, k->entries[i].hash, sizeof hash) == 0) found = i;
    if (found >= 0) *out = k->entries[found].who;
    pthread_mutex_unlock(&k->lock);
    return found >= 0;
}
