/* hub_names.h - which names may become files here. For hub.c and hub_pull.c. */
#ifndef MODEL_HUB_NAMES_H
#define MODEL_HUB_NAMES_H

#include <stdbool.h>
#include <stddef.h>

#define NAME_MAX_LEN 160

/* One path component that is safe as it stands in a folder and in a URL. */
bool name_plain(const char *name, size_t len);

bool name_ends(const char *name, const char *end);   /* in any letter case */

/* "STEM-00002-of-00003.gguf"; stem is the length before the numbers. */
bool name_split_part(const char *file, int *part, int *n_part, size_t *stem);

#endif
