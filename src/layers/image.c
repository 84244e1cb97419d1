/* image.c: layers that move an image's pixels: zeroPadding2d, cropping2d, upSampling2d; and what
 * convolutions need of that.
 *
 * A small image (oh, ow, c) lies in a big one (h, w, c): its pixel (i, j) at (i sh + top, j sw +
 * left). To embed it there, zeros around and between, or to extract it is each the other's
 * gradient: a padded image, a cropped one, every second pixel. Upsampling is a sum along each axis,
 * of one or two pixels, whose weights its gradient uses once more. */
#include "layers/image.h"

#include "base/copy.h"
#include "layers/kinds.h"
#include "layers/window.h"

enum { TO, FROM }; /* buffers */

static void embed_part(const ofs_context *ctx, const ofs_op *op, uint32_t part) {
  (void)ctx;
  const ofs_window *w = &op->window;
  size_t c = w->c, size = w->w * c, before = w->left * c, gap = (w->sw - 1) * c,
         run = w->sw > 1 ? c : w->ow * c;
  const ofs_range r = ofs_range_of(op, part);
  for (uint64_t u = r.from; u < r.to; u++) {
    real *row = op->at[TO] + u * size;
    /* above the first row, y wraps to a huge number */
    uint64_t sample = u / w->h, y = u % w->h - w->top, i = y / w->sh;
    ofs_zero(row, y % w->sh || i >= w->oh ? size : before);
    if (y % w->sh || i >= w->oh) continue;
    const real *x = op->at[FROM] + (sample * w->oh + i) * w->ow * c;
    size_t at = before, all = w->ow * c;
    for (size_t done = 0; done < all; done += run, at += run) {
      if (done) ofs_zero(row + at, gap), at += gap;
      ofs_copy(row + at, x + done, run);
    }
    ofs_zero(row + at, size - at);
  }
}

static void extract_part(const ofs_context *ctx, const ofs_op *op, uint32_t part) {
  (void)ctx;
  const ofs_window *w = &op->window;
  size_t c = w->c, all = w->ow * c, run = w->sw > 1 ? c : all;
  const ofs_range r = ofs_range_of(op, part);
  for (uint64_t u = r.from; u < r.to; u++) {
    const real *row =
        op->at[FROM] + ((u / w->oh * w->h + u % w->oh * w->sh + w->top) * w->w + w->left) * c;
    for (size_t done = 0; done < all; done += run, row += run * w->sw)
      ofs_copy(op->at[TO] + u * all + done, row, run);
  }
}

uint32_t ofs_build_placed(ofs_builder *b, const ofs_layer *l, const ofs_window *w, uint32_t x,
                          int embed) {
  uint64_t rows = embed ? w->h : w->oh, row = (uint64_t)(embed ? w->w : w->ow) * w->c;
  uint32_t y = ofs_build_buffer(b, rows * row, 0);
  ofs_op *op = ofs_build_op(b, l, embed ? embed_part : extract_part, y, x, 0, 0);
  op->window = *w;
  ofs_cut(b, op, rows, 0, 8.0 * (double)row, 1);
  return y;
}

static ofs_status placed_shape(ofs_layer *l, const ofs_record *r, ofs_error *err) {
  if (l->in.rank != 3) return ofs_refuse_rank(l, 0, 3, 3, err);
  static const double ones[] = {1, 1};
  const double *more = r->v[OFS_CROPPING],
               *strides = r->count[OFS_SLICE_STRIDES] ? r->v[OFS_SLICE_STRIDES] : ones;
  const uint32_t *in = l->in.dims;
  int pads = l->type == OFS_ZERO_PADDING2D;
  ofs_window *w = &l->window;
  *w = (ofs_window){.h = in[0],
                    .w = in[1],
                    .c = in[2],
                    .oh = in[0],
                    .ow = in[1],
                    .sh = (uint32_t)strides[0],
                    .sw = (uint32_t)strides[1],
                    .top = (uint32_t)more[0],
                    .left = (uint32_t)more[2]};
  for (int k = 0; k < 2; k++) {
    double edges = more[2 * k] + more[2 * k + 1];
    if (!pads && edges >= in[k])
      return ofs_refuse(err, OFS_INVALID_SPEC, r->layer, OFS_CROPPING, OFS_WHY_WINDOW, edges, 0,
                        in[k] - 1.0);
  }
  uint32_t down = (uint32_t)(more[0] + more[1]), across = (uint32_t)(more[2] + more[3]);
  if (pads)
    w->h += down, w->w += across;
  else
    w->oh = (in[0] - down - 1) / w->sh + 1, w->ow = (in[1] - across - 1) / w->sw + 1;
  l->out = (ofs_shape){.rank = 3, .dims = {pads ? w->h : w->oh, pads ? w->w : w->ow, w->c}};
  return OFS_OK;
}

static uint32_t placed_forward(ofs_builder *b, ofs_layer *l, uint32_t x) {
  return ofs_build_placed(b, l, &l->window, x, l->type == OFS_ZERO_PADDING2D);
}

static uint32_t placed_backward(ofs_builder *b, ofs_layer *l, uint32_t dy, int wanted) {
  return wanted ? ofs_build_placed(b, l, &l->window, dy, l->type != OFS_ZERO_PADDING2D) : 0;
}

const ofs_layer_kind ofs_placed_kind = {.shape = placed_shape,
                                        .forward = placed_forward,
                                        .backward = placed_backward};

/* ---- upsampling ---- */

enum { BILINEAR, BACK }; /* op->n; BILINEAR of a layer too */

/* Finds the weights of pixels at[0] and at[1] of an axis (at[1] of none: 0) in pixel o of the one
 * that is `s` times as long: of the nearest; bilinear of the two around (o + 1/2) / s - 1/2, those
 * beyond an end replaced by the last. */
static void taps_of(uint32_t o, uint32_t s, uint32_t in, int bilinear, uint32_t at[2],
                    real weight[2]) {
  int64_t spot = 2 * (int64_t)o + 1 - s, twice = 2 * (int64_t)s, first = (spot + twice) / twice - 1;
  at[0] = at[1] = o / s;
  weight[0] = 1, weight[1] = 0;
  if (!bilinear) return;
  at[0] = first < 0 ? 0 : (uint32_t)first;
  at[1] = first + 1 < in ? (uint32_t)(first + 1) : in - 1;
  weight[1] = at[0] == at[1] ? 0 : (real)(spot - first * twice) / (real)twice;
  weight[0] = 1 - weight[1];
}

/* Adds weight src to dst. */
static void add(const ofs_context *ctx, real *dst, const real *src, real weight, uint32_t c) {
  if (weight == 0) return;
  if (c >= 4)
    ctx->kernels->add_scaled(dst, src, weight, c);
  else
    for (uint32_t k = 0; k < c; k++) dst[k] += weight * src[k];
}

/* Adds `weight` times a row of the short image to one of the long, or the other way. */
static void add_row(const ofs_context *ctx, const ofs_op *op, real *dst, const real *src,
                    real weight) {
  const ofs_window *w = &op->window;
  for (uint32_t x = 0; x < w->ow && weight != 0; x++) {
    uint32_t at[2];
    real share[2];
    taps_of(x, w->sw, w->w, (int)op->n[BILINEAR], at, share);
    size_t here = (size_t)x * w->c;
    for (int k = 0; k < 2; k++) {
      size_t there = (size_t)at[k] * w->c;
      add(ctx, dst + (op->n[BACK] ? there : here), src + (op->n[BACK] ? here : there),
          weight * share[k], w->c);
    }
  }
}

static void upsample_part(const ofs_context *ctx, const ofs_op *op, uint32_t part) {
  const ofs_window *w = &op->window;
  uint32_t at[2];
  size_t in = (size_t)w->w * w->c, out = (size_t)w->ow * w->c;
  real weight[2];
  const ofs_range r = ofs_range_of(op, part);
  for (uint64_t u = r.from; u < r.to && !op->n[BACK]; u++) {
    ofs_zero(op->at[TO] + u * out, out);
    taps_of((uint32_t)(u % w->oh), w->sh, w->h, (int)op->n[BILINEAR], at, weight);
    for (int k = 0; k < 2; k++)
      add_row(ctx, op, op->at[TO] + u * out, op->at[FROM] + (u / w->oh * w->h + at[k]) * in,
              weight[k]);
  }
  for (uint64_t u = r.from; u < r.to && op->n[BACK]; u++) {
    uint64_t i = u % w->h, y = i ? (i - 1) * w->sh : 0, end = (i + 2) * w->sh;
    ofs_zero(op->at[TO] + u * in, in);
    for (; y < end && y < w->oh; y++) {
      taps_of((uint32_t)y, w->sh, w->h, (int)op->n[BILINEAR], at, weight);
      for (int k = 0; k < 2; k++)
        if (at[k] == i)
          add_row(ctx, op, op->at[TO] + u * in, op->at[FROM] + (u / w->h * w->oh + y) * out,
                  weight[k]);
    }
  }
}

uint32_t ofs_build_upsample(ofs_builder *b, const ofs_layer *l, const ofs_window *w, uint32_t x,
                            int bilinear, int back) {
  uint64_t rows = back ? w->h : w->oh, row = (uint64_t)(back ? w->w : w->ow) * w->c;
  uint32_t y = ofs_build_buffer(b, rows * row, 0);
  ofs_op *op = ofs_build_op(b, l, upsample_part, y, x, 0, 0);
  op->window = *w;
  op->n[BILINEAR] = (uint32_t)bilinear;
  op->n[BACK] = (uint32_t)back;
  ofs_cut(b, op, rows, 0, 16.0 * (bilinear ? 4 : 1) * w->ow * w->c * (back ? w->sh : 1), 1);
  return y;
}

static ofs_status upsample_shape(ofs_layer *l, const ofs_record *r, ofs_error *err) {
  if (l->in.rank != 3) return ofs_refuse_rank(l, 0, 3, 3, err);
  const uint32_t *in = l->in.dims;
  uint32_t s[] = {(uint32_t)r->v[OFS_UP_SAMPLING_SIZE][0], (uint32_t)r->v[OFS_UP_SAMPLING_SIZE][1]};
  double size = (double)l->in.size * s[0] * s[1];
  if (size > OFS_MAX_SAMPLE)
    return ofs_refuse(err, OFS_INVALID_SPEC, r->layer, OFS_UP_SAMPLING_SIZE, OFS_WHY_PRODUCT, size,
                      1, OFS_MAX_SAMPLE);
  l->n[BILINEAR] = (uint32_t)r->v[OFS_UP_SAMPLING_INTERPOLATION][0];
  l->window = (ofs_window){.h = in[0],
                           .w = in[1],
                           .c = in[2],
                           .oh = in[0] * s[0],
                           .ow = in[1] * s[1],
                           .sh = s[0],
                           .sw = s[1]};
  ofs_window_out(l, in[2]);
  return OFS_OK;
}

static uint32_t upsample_forward(ofs_builder *b, ofs_layer *l, uint32_t x) {
  return ofs_build_upsample(b, l, &l->window, x, (int)l->n[BILINEAR], 0);
}

static uint32_t upsample_backward(ofs_builder *b, ofs_layer *l, uint32_t dy, int wanted) {
  return wanted ? ofs_build_upsample(b, l, &l->window, dy, (int)l->n[BILINEAR], 1) : 0;
}

const ofs_layer_kind ofs_upsample_kind = {.shape = upsample_shape,
                                          .forward = upsample_forward,
                                          .backward = upsample_backward};
