/* schema.c: the rows of schema.h and fields.def as an array of numbers, and as a text of the names
 * that belong to them. There is no third place that knows a range or a default. What is in the
 * array is not in the text: every page that trains loads both. */
#include "spec/schema.h"

#include <stddef.h>

#include "offstage.h"

const struct ofs_fields ofs_fields = {
    {
#define FIELD(symbol, id, name, enumeration, kind, least, most, spread, low, high, presence, \
              fallback)                                                                      \
  {id, kind, least, spread, presence, most, low, high, fallback},
#include "spec/fields.def"
    },
    {
#define FIELD(...) RECORD,
#include "spec/fields.def"
    },
};

int ofs_record_group(uint32_t record) {
  switch (record) {
#define RECORD_GROUP(symbol, id, group, name) \
  case id: return (group)[0];
    OFS_RECORDS(RECORD_GROUP)
#undef RECORD_GROUP
  default: return 0;
  }
}

const ofs_field *ofs_field_find(uint32_t record, uint32_t id) {
  for (uint32_t i = 0; i < OFS_FIELD_COUNT; i++)
    if (ofs_fields.record[i] == record && ofs_fields.row[i].id == id) return &ofs_fields.row[i];
  return ofs_record_group(record) == 'l' ? ofs_field_find(OFS_COMMON, id) : NULL;
}

/* The table is checked once, by the compiler. */
#define FIELD(symbol, id, name, enumeration, kind, least, most, ...)                \
  _Static_assert((least) >= 1 && (most) <= OFS_MAX_VALUES && (id) < OFS_MAX_FIELDS, \
                 "bounds of " name);
#include "spec/fields.def"

/* Constants of offstage.h that JavaScript needs. The text has the number, which the compiler
 * checks. */
#define CONSTANTS(C)                              \
  C(OFS_TRAIN, "TRAIN", 0)                        \
  C(OFS_EVALUATE, "EVALUATE", 1)                  \
  C(OFS_PREDICT, "PREDICT", 2)                    \
  C(OFS_NONE, "NONE", 0)                          \
  C(OFS_F32, "F32", 1)                            \
  C(OFS_U8, "U8", 2)                              \
  C(OFS_I32, "I32", 3)                            \
  C(OFS_MAX_RANK, "MAX_RANK", 6)                  \
  C(OFS_MAX_LAYERS, "MAX_LAYERS", 1024)           \
  C(OFS_MAX_OUTPUTS, "MAX_OUTPUTS", 8)            \
  C(OFS_MOMENTS, "MOMENTS", 5)                    \
  C(OFS_ALIGN, "ALIGN", 64)                       \
  C(OFS_SPEC_MAGIC, "SPEC_MAGIC", 827541071)      \
  C(OFS_IN_MODEL, "IN_MODEL", -1)                 \
  C(OFS_IN_OPTIMIZER, "IN_OPTIMIZER", -2)         \
  C(OFS_IN_BYTES, "IN_BYTES", -3)                 \
  C(OFS_IN_OUTPUT, "IN_OUTPUT", -16)              \
  C(OFS_INVALID_SPEC, "INVALID_SPEC", -1)         \
  C(OFS_INVALID_DATA, "INVALID_DATA", -2)         \
  C(OFS_INVALID_ARGUMENT, "INVALID_ARGUMENT", -3) \
  C(OFS_OUT_OF_MEMORY, "OUT_OF_MEMORY", -4)       \
  C(OFS_THREAD_LOST, "THREAD_LOST", -6)           \
  C(OFS_NON_FINITE, "NON_FINITE", -7)             \
  C(OFS_FAULT_LOSS, "FAULT_LOSS", 0)              \
  C(OFS_FAULT_GRADIENT, "FAULT_GRADIENT", 1)      \
  C(OFS_FAULT_STATISTIC, "FAULT_STATISTIC", 2)    \
  C(OFS_FAULT_ACTIVATION, "FAULT_ACTIVATION", 3)
#define CONSTANT_ASSERT(symbol, name, value) \
  _Static_assert((int64_t)(symbol) == (value), "constant " name);
CONSTANTS(CONSTANT_ASSERT)
#undef CONSTANT_ASSERT

/* Readers outside C have the array's layout from the head of schema.h. */
_Static_assert(sizeof(ofs_field) == 32 && offsetof(ofs_field, presence) == 4 &&
                   offsetof(ofs_field, most) == 6 && offsetof(ofs_field, low) == 8 &&
                   offsetof(ofs_field, fallback) == 24 &&
                   offsetof(struct ofs_fields, record) == 32 * OFS_FIELD_COUNT,
               "layout of fields");

static const char schema_text[] = OFS_VERSION "\n"
#define CONSTANT_TEXT(symbol, name, value) " " name " " #value
    CONSTANTS(CONSTANT_TEXT) "\n"
#undef CONSTANT_TEXT
#define REASON_TEXT(symbol, id, name) " " #id " " name
    OFS_REASONS(REASON_TEXT) "\n"
#undef REASON_TEXT
#define RECORD_TEXT(symbol, id, group, name) " " #id " " group " " name
    OFS_RECORDS(RECORD_TEXT) "\n"
#undef RECORD_TEXT
#define VALUE_TEXT(enumeration, symbol, id, name) " " enumeration " " #id " " name
    OFS_VALUES(VALUE_TEXT) "\n"
#undef VALUE_TEXT
#define FIELD(symbol, id, name, enumeration, ...) " " name " " enumeration
#include "spec/fields.def"
    ;

const char *ofs_schema(void) { return schema_text; }
const char *ofs_version(void) { return OFS_VERSION; }
