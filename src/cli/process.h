/* process.h - this process: how old it is, and whether Ctrl-C was pressed. */
#ifndef CLI_PROCESS_H
#define CLI_PROCESS_H

#include <signal.h>

/* Call first in main. */
void process_begin(void);

/* Seconds since the process was started, the loading of its libraries
 * included. The kernel notes a start in steps of 10 ms and rounds it down, so
 * this is at most 10 ms too much; where it does not tell, since
 * process_begin. */
double process_age_s(void);

/* From now on the first Ctrl-C sets the flag, and the second ends the program
 * as ever. */
void process_catch_interrupt(void);

/* From now on Ctrl-C does nothing: one that was meant for an answer and came
 * just after its end must not take the conversation with it. */
void process_ignore_interrupt(void);

/* From now on Ctrl-C ends the program, as ever. */
void process_release_interrupt(void);
extern volatile sig_atomic_t process_interrupted;

#endif
