/* records.h: the records of a spec, decoded, and the reader that takes one after the other from its
 * bytes. */
#ifndef OFS_RECORDS_H
#define OFS_RECORDS_H

#include <stddef.h>

#include "offstage.h"
#include "spec/schema.h"

/* A record has every field of its schema, present or with its default (count 0: optional,
 * absent). */
typedef struct ofs_record {
  uint32_t id;
  int32_t layer; /* index of the layer, or OFS_IN_MODEL, OFS_IN_OPTIMIZER */
  uint16_t count[OFS_MAX_FIELDS];
  const double *v[OFS_MAX_FIELDS];
  uint32_t variant; /* which part of a compound layer; 0: a layer by itself */
} ofs_record;

/* A reader is the position in the bytes of a spec. */
typedef struct ofs_reader {
  const uint8_t *at;
  size_t n, left;
  uint32_t records; /* records not yet read */
  double *values;   /* values of the record being read, OFS_RECORD_VALUES at most */
  uint32_t used;
} ofs_reader;

/* Begins to read the n bytes of a spec. `values` has room for OFS_RECORD_VALUES numbers and is the
 * caller's. */
ofs_status ofs_read_begin(ofs_reader *in, const void *spec, size_t n, double *values,
                          ofs_error *err);
/* Returns the group of the next record (ofs_record_group); 0 where there is none, or no known
 * one. */
int ofs_next_group(const ofs_reader *in);
/* Reads one record of a group; absent fields get their defaults. Its values last until the next
 * read. */
ofs_status ofs_read_record(ofs_reader *in, ofs_record *r, int32_t layer, int group, ofs_error *err);
/* Returns the first value of a field, `otherwise` where it is absent. */
double ofs_record_number(const ofs_record *r, uint32_t field, double otherwise);
/* Refuses bytes that end too early or too late. */
ofs_status ofs_refuse_end(ofs_error *err, const ofs_reader *in);

#endif
