/* families.h - every family of problems, for the registry and the tests. */
#ifndef TASKS_FAMILIES_H
#define TASKS_FAMILIES_H

#include "tasks/problem.h"

extern const task task_chain;
extern const task task_perm;
extern const task task_arith;
extern const task task_multiply;
extern const task task_linear;
extern const task task_strings;
extern const task task_word;
extern const task task_cipher;
extern const task task_knights;
extern const task task_countdown;
extern const task task_game24;

#endif
