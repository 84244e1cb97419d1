/* window.c: the geometry that convolutions and pools share. A layer of one axis is one of height
 * 1. */
#include "layers/window.h"

/* Computes one axis as Keras does: valid out = ceil((in - reach + 1) / s); same and causal out =
 * ceil(in / s), the odd cell of padding after, or all of it before. Returns 0 where the window does
 * not fit. */
static int axis(uint32_t in, uint32_t k, uint32_t s, uint32_t d, uint32_t pad, uint32_t *out,
                uint32_t *before, uint32_t *after) {
  uint64_t reach = (uint64_t)(k - 1) * d + 1;
  *before = *after = 0;
  if (pad == OFS_PAD_VALID) {
    if (reach > in) return 0;
    *out = (uint32_t)((in - reach) / s + 1);
    return 1;
  }
  *out = in / s + (in % s > 0);
  uint64_t covered = (uint64_t)(*out - 1) * s + reach;
  uint64_t more = covered > in ? covered - in : 0;
  *before = (uint32_t)(pad == OFS_PAD_CAUSAL ? reach - 1 : more / 2);
  *after = (uint32_t)(pad == OFS_PAD_CAUSAL ? 0 : more - more / 2);
  return 1;
}

ofs_status ofs_window_read(ofs_layer *l, const ofs_record *r, uint32_t size, ofs_error *err) {
  uint32_t axes = r->count[size], from = axes - 1;
  if (l->in.rank != axes + 1) return ofs_refuse_rank(l, 0, axes + 1, axes + 1, err);
  const double *k = r->v[size], *s = r->v[size + 1];
  const double *d = r->count[size + 3] ? r->v[size + 3] : NULL;
  uint32_t c = l->in.dims[axes];
  l->window = (ofs_window){.h = 1,
                           .w = l->in.dims[from],
                           .c = c,
                           .f = c,
                           .groups = 1,
                           .oh = 1,
                           .kh = 1,
                           .sh = 1,
                           .dh = 1,
                           .kw = (uint32_t)k[from],
                           .sw = (uint32_t)s[from],
                           .dw = d ? (uint32_t)d[from] : 1};
  if (from)
    l->window.h = l->in.dims[0], l->window.kh = (uint32_t)k[0], l->window.sh = (uint32_t)s[0];
  if (from && d) l->window.dh = (uint32_t)d[0];
  return OFS_OK;
}

void ofs_window_out(ofs_layer *l, uint32_t f) {
  const ofs_window *w = &l->window;
  l->window.f = f;
  l->out = l->in;
  if (l->in.rank == 3) l->out.dims[0] = w->oh;
  l->out.dims[l->in.rank - 2] = w->ow;
  l->out.dims[l->in.rank - 1] = f;
}

ofs_status ofs_window_shape(ofs_layer *l, const ofs_record *r, uint32_t size, ofs_error *err) {
  ofs_window *w = &l->window;
  ofs_status s = ofs_window_read(l, r, size, err);
  if (s < 0) return s;
  uint32_t pad = (uint32_t)r->v[size + 2][0];
  if (!axis(w->h, w->kh, w->sh, w->dh, pad, &w->oh, &w->top, &w->bottom))
    return ofs_refuse(err, OFS_INVALID_SPEC, r->layer, (int32_t)size, OFS_WHY_WINDOW,
                      ((double)w->kh - 1) * w->dh + 1, 1, w->h);
  if (!axis(w->w, w->kw, w->sw, w->dw, pad, &w->ow, &w->left, &w->right))
    return ofs_refuse(err, OFS_INVALID_SPEC, r->layer, (int32_t)size, OFS_WHY_WINDOW,
                      ((double)w->kw - 1) * w->dw + 1, 1, w->w);
  double padded = ((double)w->h + w->top + w->bottom) * ((double)w->w + w->left + w->right) * w->c;
  if (padded > OFS_MAX_SAMPLE)
    return ofs_refuse(err, OFS_INVALID_SPEC, r->layer, -1, OFS_WHY_PRODUCT, padded, 1,
                      OFS_MAX_SAMPLE);
  ofs_window_out(l, w->c);
  return OFS_OK;
}
