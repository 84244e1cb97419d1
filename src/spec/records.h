/* records.h: reading the records of a spec, one after the other. */
#ifndef OFS_SPEC_H
#define OFS_SPEC_H

#include "program/internal.h"

typedef struct ofs_reader {
  const uint8_t *at;
  size_t n, left;
  uint32_t records; /* left */
  double *values;   /* of the record that is read, OFS_RECORD_VALUES at most */
  uint32_t used;
} ofs_reader;

/* `values` holds OFS_RECORD_VALUES and is the caller's. */
ofs_status ofs_read_begin(ofs_reader *in, const void *spec, size_t n, double *values, ofs_error *err);
/* The group of the record that comes next (ofs_record_group); 0 where there is none, or no known one. */
int ofs_next_group(const ofs_reader *in);
/* Reads one record of a group; fields that are absent get their defaults. Its values last until the next is read. */
ofs_status ofs_read_record(ofs_reader *in, ofs_record *r, int32_t place, int group, ofs_error *err);
/* The refusal of bytes that end too early or too late. */
ofs_status ofs_refuse_end(ofs_error *err, const ofs_reader *in);

#endif
