/* libc.c: the three functions that a compiler calls on its own account, for the wasm link that has
 * no C library. Nothing else may be here, and no source of the core calls them by name. */
#include <stddef.h>
#include <stdint.h>

#if defined(__wasm__) && !defined(OFS_HOSTED)

/* Without the attribute the loops below would be recognised and become calls to themselves. */
#define NO_BUILTIN __attribute__((no_builtin("memcpy", "memmove", "memset")))

void *memcpy(void *restrict dst, const void *restrict src, size_t n);
void *memmove(void *dst, const void *src, size_t n);
void *memset(void *dst, int value, size_t n);

typedef uint64_t word __attribute__((aligned(1), may_alias)); /* wasm loads from any address */

/* Right also where dst lies below src and they overlap: a word is read before it can be written
 * over. */
NO_BUILTIN static void *forward(void *dst, const void *src, size_t n) {
  uint8_t *d = dst;
  const uint8_t *s = src;
  for (; n >= sizeof(word); n -= sizeof(word), d += sizeof(word), s += sizeof(word))
    *(word *)d = *(const word *)s;
  for (; n > 0; n--) *d++ = *s++;
  return dst;
}

NO_BUILTIN void *memcpy(void *restrict dst, const void *restrict src, size_t n) {
  return forward(dst, src, n);
}

NO_BUILTIN void *memmove(void *dst, const void *src, size_t n) {
  uint8_t *d = dst;
  const uint8_t *s = src;
  if ((uintptr_t)d - (uintptr_t)s >= n) return forward(dst, src, n);
  while (n > 0) n--, d[n] = s[n];
  return dst;
}

NO_BUILTIN void *memset(void *dst, int value, size_t n) {
  uint8_t *d = dst;
  uint64_t all = (uint8_t)value * 0x0101010101010101u;
  for (; n >= sizeof(word); n -= sizeof(word), d += sizeof(word)) *(word *)d = all;
  for (; n > 0; n--) *d++ = (uint8_t)value;
  return dst;
}

#else
typedef int ofs_memory_is_hosted; /* a translation unit may not be empty */
#endif
