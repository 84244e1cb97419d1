/* layout.c: the layout of buffers: those whose lifetimes do not meet share memory. */
#include "program/layout.h"

/* An order says which buffer is placed first: the biggest; the one that takes most memory for
 * longest; the longest; of those about as big (to a power of two) the earliest, or the one that
 * ends last. */
enum { BY_SIZE, BY_AREA, BY_LENGTH, BY_START, BY_END, ORDERS };

static double rank_of(const ofs_buffer *u, int order) {
  double bytes = (double)u->bytes, length = (double)u->last - u->first + 1;
  double class = (63 - __builtin_clzll(u->bytes | 1)) * 1e10;
  return order == BY_AREA     ? bytes * length
         : order == BY_LENGTH ? length
         : order == BY_START  ? class - u->first
         : order == BY_END    ? class + u->last
                              : bytes;
}

/* Joins two sorted lists of buffers; of two that are alike, that of `a` comes first. */
static uint32_t merge(ofs_buffer *all, uint32_t a, uint32_t b, int order) {
  uint32_t head, *end = &head;
  while (a && b) {
    uint32_t *from = rank_of(&all[b], order) > rank_of(&all[a], order) ? &b : &a;
    *end = *from;
    end = &all[*from].next;
    *from = *end;
  }
  *end = a ? a : b;
  return head;
}

/* Returns the sorted list of buffers [i, i + count). */
static uint32_t sorted(ofs_buffer *all, uint32_t i, uint32_t count, int order) {
  all[i].next = 0;
  if (count == 1) return i;
  uint32_t half = count / 2;
  return merge(all, sorted(all, i, half, order), sorted(all, i + half, count - half, order), order);
}

/* Puts buffer i into the lowest place beside those of the list whose lifetimes meet its own, and
 * into the list, which is sorted by offset. */
static void place(ofs_buffer *all, uint32_t *lowest, uint32_t i) {
  ofs_buffer *b = &all[i];
  uint32_t *link = lowest;
  b->offset = 0;
  for (uint32_t k = *lowest; k; k = all[k].next) {
    const ofs_buffer *o = &all[k];
    if (o->offset >= b->offset + b->bytes) break;
    if (o->last < b->first || o->first > b->last) continue;
    if (o->offset + o->bytes <= b->offset) continue;
    b->offset = o->offset + o->bytes;
    link = &all[k].next;
  }
  while (*link && all[*link].offset < b->offset) link = &all[*link].next;
  b->next = *link;
  *link = i;
}

/* Places the buffers one after the other in an order (Pisarchyk & Lee 2020). Returns the end. */
static uint64_t place_all(ofs_buffer *all, uint32_t count, int order) {
  uint64_t end = 0;
  uint32_t lowest = 0;
  for (uint32_t i = sorted(all, 1, count, order), next; i; i = next) {
    next = all[i].next;
    all[i].offset = 0;
    if (all[i].first == UINT32_MAX) continue; /* no operation uses it */
    place(all, &lowest, i);
    uint64_t stop = ofs_add_sat(all[i].offset, all[i].bytes);
    if (stop >= OFS_BYTES_MAX) return OFS_BYTES_MAX;
    if (stop > end) end = stop;
  }
  return end;
}

/* Returns the most bytes that are alive at one operation. */
static uint64_t live_bytes(const ofs_builder *b) {
  int64_t now = 0, most = 0;
  for (uint32_t i = 1; i <= b->buffer_count; i++) {
    const ofs_buffer *u = &b->buffers[i];
    if (u->first == UINT32_MAX) continue;
    b->ops[u->first].alive += (int64_t)u->bytes;
    if (u->last < b->op_count - 1) b->ops[u->last + 1].alive -= (int64_t)u->bytes;
  }
  for (uint32_t i = 0; i < b->op_count; i++) {
    now += b->ops[i].alive;
    if (now > most) most = now;
  }
  return (uint64_t)most;
}

/* Places the buffers in the order that takes least: the biggest first, unless that takes much more
 * than is needed at one time. */
uint64_t ofs_place_buffers(ofs_builder *b) {
  uint64_t least = place_all(b->buffers, b->buffer_count, BY_SIZE), end = least;
  int best = BY_SIZE;
  if (least >= OFS_BYTES_MAX) return least;
  b->live = live_bytes(b);
  for (int order = BY_SIZE + 1; order < ORDERS && least > b->live + b->live / 32; order++) {
    end = place_all(b->buffers, b->buffer_count, order);
    if (end < least) least = end, best = order;
  }
  return end == least ? least : place_all(b->buffers, b->buffer_count, best);
}
