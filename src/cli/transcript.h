/* transcript.h - a conversation as a JSON file that chat_read takes back. */
#ifndef CLI_TRANSCRIPT_H
#define CLI_TRANSCRIPT_H

#include "base/status.h"
#include "reason/chat.h"

/* Write {"model": name, "messages": [...]} in the form of the chat API. Bytes
 * that are not UTF-8 become U+FFFD, since JSON holds no others. */
status transcript_write(const char *path, const char *model_name, const chat *c, errtext *err);

/* Append the messages of such a file. */
status transcript_read(const char *path, chat *c, errtext *err);

#endif
