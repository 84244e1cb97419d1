/* op.h: an operation of a plan's program, and what a part of it may read and write.
 *
 * An operation is cut into PARTS by shapes alone; parts of one operation (of one of its waves) are
 * independent of each other, so that they may be run in any order, in slices, or on several
 * threads, to the same bits. */
#ifndef OFS_OP_H
#define OFS_OP_H

#include "build/layer.h"
#include "kernels/kernels.h"

/* What every part may use beside its operation's buffers; a plan begins with it. */
typedef struct ofs_context {
  const ofs_kernels *kernels;
  const real *params;  /* of the model: all layers' weights, one behind the other */
  real *gradient;      /* likewise; NULL where the plan does not train */
  const uint32_t *key; /* of the generator of random numbers */
  /* updates so far: with the key and the layer's index, what is random depends on it */
  uint64_t step;
} ofs_context;

enum { OFS_PHASE_GRADIENT, OFS_PHASE_UPDATE };
#define OFS_OP_BUFFERS 7

typedef struct ofs_op ofs_op;
typedef void (*ofs_part_fn)(const ofs_context *ctx, const ofs_op *op, uint32_t part);

struct ofs_op {
  ofs_part_fn run;
  const ofs_layer *layer;
  uint32_t phase;
  /* The cut: `units` things (a sample, or the whole where `fixed`), `block` of them a part, times
   * `tiles`. Parts of one wave are independent of each other; each wave needs the one before it. */
  uint64_t units, block;
  uint32_t batch, count; /* samples as the layer sees them: the most, and those at hand */
  uint32_t times;
  uint32_t fixed, tiles, waves;
  double unit_work;   /* floating point operations that one unit takes */
  uint32_t parts;     /* for the batch at hand */
  uint64_t part_work; /* what a full part takes, likewise */
  /* bytes of buffers that it is the first to use, less those that the one before was the last to */
  int64_t alive;
  uint64_t lasting; /* bytes that it touches at most, of parameters and their kin */
  /* its parts are worth sharing between threads, for the batch at hand */
  int shared;
  uint32_t buffer[OFS_OP_BUFFERS]; /* 0: none */
  real *at[OFS_OP_BUFFERS];        /* the same, resolved */
  uint32_t n[8];                   /* the operation's own sizes */
  /* of a layer's last operation forward: the buffer of its output */
  uint32_t result;
  const real *result_at;
  ofs_window window;
};

typedef struct ofs_buffer {
  uint64_t bytes, offset;
  int fixed;            /* the same for any number of samples */
  uint32_t first, last; /* operations that use it */
  uint32_t next;        /* in the list of those to place, or of those placed; 0 ends it */
  uint32_t pending;     /* readers of what it holds whose forward is not built yet */
  uint32_t owners;      /* nodes whose gradient it is going to be */
} ofs_buffer;

/* The units [from, to) of a part, and its tile. Waves count from the first part on, op->parts /
 * op->waves each. */
typedef struct ofs_range {
  uint64_t from, to;
  uint32_t tile;
} ofs_range;
ofs_range ofs_range_of(const ofs_op *op, uint32_t part);

#endif
