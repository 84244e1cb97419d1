/* check.h: the harness of the C tests: it counts, and the exit status is the verdict.
 *
 *     int main(void) { CHECK(1 + 1 == 2); return check_report("arithmetic"); }
 *
 * One translation unit a program; only stdio, so that the same test runs natively and under WASI. A
 * failed check is printed with its place (the first CHECK_SHOWN of them) and the test goes on. */
#ifndef OFS_CHECK_H
#define OFS_CHECK_H

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHECK_SHOWN 40

#if defined(__GNUC__)
#define CHECK_UNUSED __attribute__((unused))
#define CHECK_PRINTF(a, b) __attribute__((format(printf, a, b)))
#else
#define CHECK_UNUSED
#define CHECK_PRINTF(a, b)
#endif

static long check_passed, check_failed;

/* The one place that counts; returns ok, so that a test can leave a loop after a failure. */
CHECK_UNUSED CHECK_PRINTF(4, 5) static int check_that(int ok, const char *file, int line,
                                                      const char *format, ...) {
  if (ok) {
    check_passed++;
    return 1;
  }
  if (check_failed++ < CHECK_SHOWN) {
    va_list args;
    va_start(args, format);
    printf("%s:%d: failed: ", file, line);
    vprintf(format, args);
    printf("\n");
    va_end(args);
  }
  return 0;
}

/* Each is an expression: 1 where the check holds. */
#define CHECK(condition) check_that((condition) ? 1 : 0, __FILE__, __LINE__, "%s", #condition)
#define CHECK_MSG(condition, ...) check_that((condition) ? 1 : 0, __FILE__, __LINE__, __VA_ARGS__)
#define CHECK_INT(got, want) \
  check_int((long long)(got), (long long)(want), #got, __FILE__, __LINE__)
#define CHECK_NEAR(got, want, tolerance) \
  check_near((got), (want), (tolerance), #got, __FILE__, __LINE__)
#define CHECK_STR(got, want) check_str((got), (want), #got, __FILE__, __LINE__)

CHECK_UNUSED static int check_int(long long got, long long want, const char *what, const char *file,
                                  int line) {
  return check_that(got == want, file, line, "%s is %lld, expected %lld", what, got, want);
}

/* Checks |got - want| <= tolerance; a NaN fails. */
CHECK_UNUSED static int check_near(double got, double want, double tolerance, const char *what,
                                   const char *file, int line) {
  int ok = got == want || fabs(got - want) <= tolerance;
  return check_that(ok, file, line, "%s is %.17g, expected %.17g +- %.3g", what, got, want,
                    tolerance);
}

CHECK_UNUSED static int check_str(const char *got, const char *want, const char *what,
                                  const char *file, int line) {
  int ok = got != NULL && want != NULL && strcmp(got, want) == 0;
  return check_that(ok, file, line, "%s is \"%s\", expected \"%s\"", what, got ? got : "(null)",
                    want ? want : "(null)");
}

/* Allocates memory, and ends the test program as failed where there is none. */
CHECK_UNUSED static void *check_alloc(size_t bytes) {
  void *p = malloc(bytes > 0 ? bytes : 1);
  if (p == NULL) {
    printf("no memory for %lu bytes\n", (unsigned long)bytes);
    exit(2);
  }
  return p;
}

/* Prints the counts and returns the program's exit status. A program without a single check has
 * failed. */
CHECK_UNUSED static int check_report(const char *name) {
  if (check_failed > CHECK_SHOWN)
    printf("%ld more failures are not shown\n", check_failed - CHECK_SHOWN);
  printf("%s: %ld passed, %ld failed\n", name, check_passed, check_failed);
  return check_failed == 0 && check_passed > 0 ? 0 : 1;
}

#endif
