/* window.c: the geometry that convolutions and pools share. */
#include "layers.h"

/* Keras: valid out = ceil((in - reach + 1) / s); same out = ceil(in / s), the odd cell of padding after. */
int ofs_window_axis(uint32_t in, uint32_t k, uint32_t s, uint32_t d, uint32_t pad, uint32_t *out, uint32_t *before,
                    uint32_t *after) {
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
  *before = (uint32_t)(more / 2);
  *after = (uint32_t)(more - more / 2);
  return 1;
}

ofs_status ofs_window_shape(ofs_layer *l, const ofs_record *r, const ofs_window_fields *f, ofs_error *err) {
  if (l->in.rank != 3) return ofs_refuse_rank(l, 0, 3, 3, err);
  const double *size = r->v[f->size], *stride = r->count[f->strides] ? r->v[f->strides] : size;
  uint32_t d[2] = {1, 1}, pad = (uint32_t)r->v[f->padding][0];
  if (f->dilation >= 0) d[0] = (uint32_t)r->v[f->dilation][0], d[1] = (uint32_t)r->v[f->dilation][1];
  ofs_window *w = &l->window;
  *w = (ofs_window){.h = l->in.dims[0], .w = l->in.dims[1], .c = l->in.dims[2], .f = l->in.dims[2],
                    .kh = (uint32_t)size[0], .kw = (uint32_t)size[1],
                    .sh = (uint32_t)stride[0], .sw = (uint32_t)stride[1], .dh = d[0], .dw = d[1]};
  if (!ofs_window_axis(w->h, w->kh, w->sh, w->dh, pad, &w->oh, &w->top, &w->bottom))
    return ofs_refuse(err, OFS_INVALID_SPEC, r->place, f->size, OFS_WHY_WINDOW, ((double)w->kh - 1) * w->dh + 1, 1,
                      w->h);
  if (!ofs_window_axis(w->w, w->kw, w->sw, w->dw, pad, &w->ow, &w->left, &w->right))
    return ofs_refuse(err, OFS_INVALID_SPEC, r->place, f->size, OFS_WHY_WINDOW, ((double)w->kw - 1) * w->dw + 1, 1,
                      w->w);
  double padded = ((double)w->h + w->top + w->bottom) * ((double)w->w + w->left + w->right) * w->c;
  if (padded > OFS_MAX_SAMPLE)
    return ofs_refuse(err, OFS_INVALID_SPEC, r->place, -1, OFS_WHY_PRODUCT, padded, 1, OFS_MAX_SAMPLE);
  l->out = (ofs_shape){.rank = 3, .dims = {w->oh, w->ow, w->c}};
  return OFS_OK;
}
