/* conv.c: the layers that are convolutions: their fields, their shapes, and which products each
 * takes.
 *
 * A kernel of 1 x 1 with stride 1 is a dense layer over the pixels; 3 x 3 with stride 1 goes by
 * Winograd's products; groups of one channel by depthwise ones; all else by the sliding one. conv1d
 * is a conv2d of height 1, depthwiseConv2d one with a group for each channel, separableConv2d two
 * layers, of 1 x 1 with strides likewise: a slice of the image, then the dense one. conv2dTranspose
 * is a convolution the other way round: its output is that one's input. */
#include "layers/conv.h"

#include "layers/activation.h"
#include "layers/dense.h"
#include "layers/depthwise.h"
#include "layers/image.h"
#include "layers/kinds.h"
#include "layers/slide.h"
#include "layers/window.h"
#include "layers/winograd.h"

/* A layer's record is one of these. */
enum { WHOLE, DEPTHWISE, POINTWISE };

int ofs_conv_part(const ofs_record *r, uint32_t k, ofs_record *part) {
  static const double zeros[4], ones[2] = {1, 1};
  const double *size = r->v[OFS_CONV2D_KERNEL_SIZE], *strides = r->v[OFS_CONV2D_STRIDES];
  *part = *r;
  if (r->id == OFS_SEPARABLE_CONV2D) {
    part->variant = k ? POINTWISE : DEPTHWISE;
    if (k)
      part->v[OFS_CONV2D_KERNEL_SIZE] = part->v[OFS_CONV2D_STRIDES] =
          part->v[OFS_CONV2D_DILATION_RATE] = ones;
    return k < 2;
  }
  if (r->id != OFS_CONV2D || size[0] * size[1] != 1 || strides[0] * strides[1] == 1) return k == 0;
  if (k)
    part->v[OFS_CONV2D_STRIDES] = ones;
  else {
    part->id = OFS_CROPPING2D;
    part->v[OFS_CROPPING] = zeros;
    part->v[OFS_SLICE_STRIDES] = strides;
  }
  return k < 2;
}

/* Adds kernel and bias, and reads the activation. */
static void add_weights(ofs_layer *l, const ofs_record *r, uint32_t role, uint32_t field,
                        uint32_t rank, const uint32_t *dims, uint32_t filters) {
  ofs_add_weight(l, r, role, field, rank, dims);
  if (r->variant == DEPTHWISE) return;
  l->act = (uint32_t)r->v[OFS_CONV2D_ACTIVATION][0];
  if (r->v[OFS_CONV2D_USE_BIAS][0] != 0)
    ofs_add_weight(l, r, OFS_BIAS, OFS_CONV2D_BIAS_INIT, 1, &filters);
}

/* Checks the sizes of images that only the backward pass has. */
static ofs_status check_spread(const ofs_window *w, const ofs_record *r, ofs_error *err) {
  double spread = ((double)w->h + (double)(w->kh - 1) * w->dh) *
                  ((double)w->w + (double)(w->kw - 1) * w->dw) * w->f;
  double padded = ((double)w->h + w->top + w->bottom) * ((double)w->w + w->left + w->right) * w->c;
  if (spread < padded) spread = padded;
  if (spread <= OFS_MAX_SAMPLE) return OFS_OK;
  return ofs_refuse(err, OFS_INVALID_SPEC, r->layer, -1, OFS_WHY_PRODUCT, spread, 1,
                    OFS_MAX_SAMPLE);
}

static ofs_status conv_shape(ofs_layer *l, const ofs_record *r, ofs_error *err) {
  ofs_status s = ofs_window_shape(l, r, OFS_CONV2D_KERNEL_SIZE, err);
  if (s < 0) return s;
  ofs_window *w = &l->window;
  int by_channel = r->id == OFS_DEPTHWISE_CONV2D || r->variant == DEPTHWISE,
      grouped = r->id == OFS_CONV2D || r->id == OFS_CONV1D;
  double filters =
      by_channel ? w->c * r->v[OFS_DEPTHWISE_MULTIPLIER][0] : r->v[OFS_CONV2D_FILTERS][0];
  double groups = by_channel ? w->c : grouped ? r->v[OFS_CONV2D_GROUPS][0] : 1, c = w->c;
  if (filters > OFS_MAX_SAMPLE)
    return ofs_refuse(err, OFS_INVALID_SPEC, r->layer, OFS_DEPTHWISE_MULTIPLIER, OFS_WHY_PRODUCT,
                      filters, 1, OFS_MAX_SAMPLE);
  w->groups = (uint32_t)groups;
  ofs_window_out(l, (uint32_t)filters);
  if (w->c % w->groups || w->f % w->groups)
    return ofs_refuse(err, OFS_INVALID_SPEC, r->layer, OFS_CONV2D_GROUPS, OFS_WHY_DIVIDES, groups,
                      1, w->c % w->groups ? c : w->f);
  uint32_t dims[] = {w->kh, w->kw, by_channel ? w->c : w->c / w->groups,
                     by_channel ? w->f / w->c : w->f},
           flat = l->in.rank == 2;
  uint32_t role = by_channel   ? OFS_DEPTHWISE_KERNEL
                  : r->variant ? OFS_POINTWISE_KERNEL
                               : OFS_KERNEL;
  uint32_t field = r->variant == POINTWISE ? OFS_SEPARABLE_POINTWISE_INIT : OFS_CONV2D_KERNEL_INIT;
  add_weights(l, r, role, field, 4 - flat, dims + flat, w->f);
  return check_spread(w, r, err);
}

static int is_dense(const ofs_window *w) {
  return w->kh == 1 && w->kw == 1 && w->sh == 1 && w->sw == 1 && w->groups == 1;
}

static int by_channels(const ofs_window *w) { return w->groups > 1 && w->groups == w->c; }

static uint32_t conv_forward(ofs_builder *b, ofs_layer *l, uint32_t x) {
  ofs_window *w = &l->window;
  if (is_dense(w)) return ofs_build_dense(b, l, x);
  int fuse = ofs_act_fuses(l->act) && !ofs_takes_logits(b, l);
  uint32_t act = fuse ? l->act : OFS_ACT_LINEAR, y;
  if (by_channels(w))
    y = ofs_build_depthwise(b, l, x, act);
  else if (ofs_winograd_fits(w)) {
    y = ofs_build_buffer(b, l->out.size, 0);
    ofs_build_winograd(b, l, w, y, x, 0, act);
  } else {
    ofs_window padded = ofs_padded_window(w);
    x = b->saved[l->index] = ofs_build_padded(b, l, w, x);
    y = ofs_build_buffer(b, l->out.size, 0);
    ofs_build_slide(b, l, &padded, y, x, 0, 1, act);
  }
  return fuse ? y : ofs_build_act(b, l, y);
}

static uint32_t winograd_back(ofs_builder *b, ofs_layer *l, uint32_t dy) {
  const ofs_window *w = &l->window;
  ofs_window back = {.h = w->oh,
                     .w = w->ow,
                     .c = w->f,
                     .oh = w->h,
                     .ow = w->w,
                     .f = w->c,
                     .top = 2 - w->top,
                     .left = 2 - w->left};
  uint32_t dx = ofs_build_buffer(b, l->in.size, 0);
  ofs_build_winograd(b, l, &back, dx, dy, ofs_build_flip(b, l, w), OFS_ACT_LINEAR);
  return dx;
}

static uint32_t conv_backward(ofs_builder *b, ofs_layer *l, uint32_t dy, int wanted) {
  const ofs_window *w = &l->window;
  if (is_dense(w)) return ofs_build_dense_backward(b, l, dy, wanted);
  dy = ofs_build_act_backward(b, l, dy);
  if (by_channels(w)) return ofs_build_depthwise_backward(b, l, dy, wanted);
  if (ofs_winograd_fits(w)) {
    if (l->trains) ofs_build_winograd_gradient(b, l, b->x[l->index], dy);
    return wanted ? winograd_back(b, l, dy) : 0;
  }
  ofs_window padded = ofs_padded_window(w);
  if (l->trains) ofs_build_slide_gradient(b, l, &padded, b->saved[l->index], dy, dy);
  return wanted ? ofs_build_slide_back(b, l, w, dy, 0, OFS_ACT_LINEAR) : 0;
}

const ofs_layer_kind ofs_conv2d_kind = {.shape = conv_shape,
                                        .forward = conv_forward,
                                        .backward = conv_backward};

/* ---- conv2dTranspose ---- */

/* Returns the output's length, as Keras 3 has it: valid (in - 1) s + max(reach, s), same in s; with
 * `more` given, (in - 1) s + reach + more and (in - 1) s + reach % 2 + more. The convolution the
 * other way has the padding that leads from out to in. */
static double transposed_axis(uint32_t in, uint32_t k, uint32_t s, uint32_t d, int same,
                              double more, uint32_t *before, uint32_t *after) {
  double reach = (double)(k - 1) * d + 1, covered = (in - 1.0) * s + reach, out;
  if (more < 0)
    out = same ? (double)in * s : (in - 1.0) * s + (reach > s ? reach : s);
  else
    out = covered + more - (same ? reach - (uint32_t)reach % 2 : 0);
  double cut = same && covered > out ? covered - out : 0;
  *before = (uint32_t)(cut / 2);
  *after = (uint32_t)cut - *before;
  return out;
}

static ofs_status transpose_shape(ofs_layer *l, const ofs_record *r, ofs_error *err) {
  ofs_status s = ofs_window_read(l, r, OFS_TRANSPOSE_KERNEL_SIZE, err);
  if (s < 0) return s;
  ofs_window *w = &l->window;
  int same = r->v[OFS_TRANSPOSE_PADDING][0] == OFS_PAD_SAME,
      given = r->count[OFS_TRANSPOSE_OUTPUT_PADDING];
  const double *more = given ? r->v[OFS_TRANSPOSE_OUTPUT_PADDING] : (const double[]){-1, -1};
  for (int k = 0; k < 2; k++)
    if (more[k] >= (k ? w->sw : w->sh))
      return ofs_refuse(err, OFS_INVALID_SPEC, r->layer, OFS_TRANSPOSE_OUTPUT_PADDING,
                        OFS_WHY_RANGE, more[k], 0, (k ? w->sw : w->sh) - 1.0);
  double h = transposed_axis(w->h, w->kh, w->sh, w->dh, same, more[0], &w->top, &w->bottom);
  double wide = transposed_axis(w->w, w->kw, w->sw, w->dw, same, more[1], &w->left, &w->right);
  uint32_t filters = (uint32_t)r->v[OFS_TRANSPOSE_FILTERS][0];
  if (h * wide * filters > OFS_MAX_SAMPLE || h * wide < 1)
    return ofs_refuse(err, OFS_INVALID_SPEC, r->layer,
                      h * wide < 1 ? OFS_TRANSPOSE_OUTPUT_PADDING : -1, OFS_WHY_PRODUCT,
                      h * wide * filters, 1, OFS_MAX_SAMPLE);
  w->oh = w->h, w->ow = w->w, w->f = w->c;
  w->h = (uint32_t)h, w->w = (uint32_t)wide, w->c = filters;
  l->out = (ofs_shape){.rank = 3, .dims = {w->h, w->w, filters}};
  add_weights(l, r, OFS_KERNEL, OFS_TRANSPOSE_KERNEL_INIT, 4,
              (const uint32_t[]){w->kh, w->kw, filters, w->f}, filters);
  return check_spread(w, r, err);
}

static uint32_t transpose_forward(ofs_builder *b, ofs_layer *l, uint32_t x) {
  int fuse = ofs_act_fuses(l->act) && !ofs_takes_logits(b, l);
  uint32_t y = ofs_build_slide_back(b, l, &l->window, x, 1, fuse ? l->act : OFS_ACT_LINEAR);
  return fuse ? y : ofs_build_act(b, l, y);
}

static uint32_t transpose_backward(ofs_builder *b, ofs_layer *l, uint32_t dy, int wanted) {
  dy = ofs_build_act_backward(b, l, dy);
  ofs_window w = ofs_padded_window(&l->window);
  uint32_t padded = ofs_build_padded(b, l, &l->window, dy),
           dx = wanted ? ofs_build_buffer(b, l->in.size, 0) : 0;
  if (l->trains) ofs_build_slide_gradient(b, l, &w, padded, b->x[l->index], dy);
  if (wanted) ofs_build_slide(b, l, &w, dx, padded, 0, 0, OFS_ACT_LINEAR);
  return dx;
}

const ofs_layer_kind ofs_transpose_kind = {.shape = transpose_shape,
                                           .forward = transpose_forward,
                                           .backward = transpose_backward};
