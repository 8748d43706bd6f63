/* clock.h - monotonic time, for measuring and for waiting. */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

double clock_s(void);      /* seconds since an arbitrary start, never goes back */

#endif
