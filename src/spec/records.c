/* records.c: turns the bytes of a spec into records, or says exactly what is wrong with them.
 *
 * The bytes are hostile: nothing is read before its bounds are checked, and nothing leaves this
 * file that the schema's ranges do not allow. What records mean together is graph.c's. */
#include "spec/records.h"

#include "base/status.h"

typedef ofs_reader reader;

static uint16_t put_value(reader *r, double v) {
  r->values[r->used++] = v;
  return 1;
}

ofs_status ofs_refuse_end(ofs_error *err, const reader *r) {
  return ofs_refuse(err, OFS_INVALID_SPEC, OFS_IN_BYTES, -1, OFS_WHY_TRUNCATED, (double)r->n, 0, 0);
}

static int take(reader *r, void *to, size_t n) {
  if (r->left < n) return 0;
  for (size_t i = 0; i < n; i++) ((uint8_t *)to)[i] = r->at[i];
  r->at += n;
  r->left -= n;
  return 1;
}

/* Checks a value against the kind and range of `by`: its own field, or the field of an option
 * beside it. */
static ofs_status check_value(const ofs_field *f, const ofs_field *by, int32_t layer, double v,
                              ofs_error *err) {
  ofs_reason why = OFS_WHY_NONE;
  if (!(v - v == 0))
    why = OFS_WHY_NOT_FINITE;
  else if (v < by->low || v > by->high)
    why = OFS_WHY_RANGE;
  else if (by->kind != OFS_KIND_number && v != (double)(int64_t)v)
    why = OFS_WHY_NOT_INTEGER;
  if (!why) return OFS_OK;
  return ofs_refuse(err, OFS_INVALID_SPEC, layer, f->id, why, v, by->low, by->high);
}

static ofs_status read_field(reader *in, ofs_record *r, ofs_error *err) {
  uint8_t head[2];
  uint16_t count;
  if (!take(in, head, 2) || !take(in, &count, 2)) return ofs_refuse_end(err, in);
  const ofs_field *f = ofs_field_find(r->id, head[0]);
  if (!f || head[1] != 0)
    return ofs_refuse(err, OFS_INVALID_SPEC, r->layer, f ? f->id : -1, OFS_WHY_UNKNOWN,
                      f ? head[1] : head[0], 0, 0);
  if (r->count[f->id])
    return ofs_refuse(err, OFS_INVALID_SPEC, r->layer, f->id, OFS_WHY_TWICE, 2, 1, 1);
  if (count < f->least || count > f->most || (f->spread && count > 1 && count < f->most))
    return ofs_refuse(err, OFS_INVALID_SPEC, r->layer, f->id, OFS_WHY_COUNT, count, f->least,
                      f->most);
  if ((f->spread ? f->most : count) > OFS_RECORD_VALUES - in->used)
    return ofs_refuse(err, OFS_INVALID_SPEC, r->layer, f->id, OFS_WHY_COUNT, count, f->least,
                      f->most);
  r->v[f->id] = in->values + in->used;
  for (uint32_t i = 0; i < count; i++) {
    double v;
    if (!take(in, &v, 8)) return ofs_refuse_end(err, in);
    const ofs_field *by = f;
    if (f->kind == OFS_KIND_initializer && i > 0) {
      by = ofs_field_find(OFS_INIT_OPTIONS + (uint32_t)r->v[f->id][0], i - 1);
      if (!by)
        return ofs_refuse(err, OFS_INVALID_SPEC, r->layer, f->id, OFS_WHY_COUNT, count, 1, i);
    }
    ofs_status s = check_value(f, by, r->layer, v, err);
    if (s < 0) return s;
    r->count[f->id] += put_value(in, v);
  }
  for (; f->spread && r->count[f->id] < f->most;) r->count[f->id] += put_value(in, r->v[f->id][0]);
  return OFS_OK;
}

static ofs_status fill_absent(reader *in, ofs_record *r, ofs_error *err) {
  for (uint32_t i = 0; i < OFS_FIELD_COUNT; i++) {
    const ofs_field *f = &ofs_fields.row[i];
    int common = ofs_fields.record[i] == OFS_COMMON && ofs_record_group(r->id) == 'l';
    if ((ofs_fields.record[i] != r->id && !common) || r->count[f->id] ||
        f->presence == OFS_IS_optional)
      continue;
    if (f->presence == OFS_IS_required)
      return ofs_refuse(err, OFS_INVALID_SPEC, r->layer, f->id, OFS_WHY_MISSING, 0, f->low,
                        f->high);
    if (f->presence == OFS_IS_like) {
      uint32_t other = (uint32_t)f->fallback;
      r->v[f->id] = r->v[other];
      r->count[f->id] = r->count[other];
      continue;
    }
    uint32_t count = f->spread ? f->most : 1u;
    if (count > OFS_RECORD_VALUES - in->used)
      return ofs_refuse(err, OFS_INVALID_SPEC, r->layer, f->id, OFS_WHY_COUNT, count, f->least,
                        f->most);
    r->v[f->id] = in->values + in->used;
    while (count--) r->count[f->id] += put_value(in, f->fallback);
  }
  return OFS_OK;
}

ofs_status ofs_read_record(reader *in, ofs_record *r, int32_t layer, int group, ofs_error *err) {
  uint16_t head[2];
  *r = (ofs_record){.layer = layer};
  in->used = 0;
  if (!in->records)
    return ofs_refuse(err, OFS_INVALID_SPEC, layer, -1, OFS_WHY_COUNT, 0, 1, OFS_MAX_LAYERS);
  in->records--;
  if (!take(in, head, 4)) return ofs_refuse_end(err, in);
  r->id = head[0];
  if (ofs_record_group(r->id) != group)
    return ofs_refuse(err, OFS_INVALID_SPEC, layer, -1, OFS_WHY_UNKNOWN, r->id, 0, 0);
  for (uint32_t i = 0; i < head[1]; i++) {
    ofs_status s = read_field(in, r, err);
    if (s < 0) return s;
  }
  return fill_absent(in, r, err);
}

double ofs_record_number(const ofs_record *r, uint32_t field, double otherwise) {
  return r->count[field] ? r->v[field][0] : otherwise;
}

int ofs_next_group(const reader *in) {
  uint16_t id;
  reader ahead = *in;
  return in->records && take(&ahead, &id, 2) ? ofs_record_group(id) : 0;
}

ofs_status ofs_read_begin(reader *in, const void *spec, size_t n, double *values, ofs_error *err) {
  uint32_t head[2];
  *in = (reader){.at = spec, .n = n, .left = n, .values = values};
  if (!take(in, head, 8)) return ofs_refuse_end(err, in);
  if (head[0] != OFS_SPEC_MAGIC)
    return ofs_refuse(err, OFS_INVALID_SPEC, OFS_IN_BYTES, -1, OFS_WHY_UNKNOWN, head[0], 0, 0);
  in->records = head[1];
  return OFS_OK;
}

typedef struct writer {
  uint8_t *to; /* NULL: bytes are counted only */
  size_t n;
} writer;

static void write_bytes(writer *w, const void *from, size_t n) {
  for (size_t i = 0; w->to && i < n; i++) w->to[w->n + i] = ((const uint8_t *)from)[i];
  w->n += n;
}

static void write_record(writer *w, const ofs_record *r) {
  uint16_t head[2] = {(uint16_t)r->id, 0};
  for (uint32_t i = 0; i < OFS_MAX_FIELDS; i++) head[1] += r->count[i] > 0;
  write_bytes(w, head, 4);
  for (uint16_t i = 0; i < OFS_MAX_FIELDS; i++) {
    if (!r->count[i]) continue;
    write_bytes(w, &i, 2); /* the id's byte and a zero byte */
    write_bytes(w, &r->count[i], 2);
    write_bytes(w, r->v[i], 8u * r->count[i]);
  }
}

ofs_status ofs_spec_fill(const void *spec, size_t n, void *out, size_t *bytes, ofs_error *err) {
  double values[OFS_RECORD_VALUES];
  reader in;
  ofs_record r;
  writer w = {.to = out};
  ofs_status s = ofs_read_begin(&in, spec, n, values, err);
  if (s == OFS_OK) write_bytes(&w, spec, 8);
  while (s == OFS_OK && in.records) {
    s = ofs_read_record(&in, &r, OFS_IN_BYTES, ofs_next_group(&in), err);
    if (s == OFS_OK) write_record(&w, &r);
  }
  *bytes = w.n;
  return s;
}
