/* status.c: refusals, and a sentence for each status. */
#include "base/status.h"

ofs_status ofs_refuse(ofs_error *err, ofs_status status, int32_t layer, int32_t field,
                      ofs_reason why, double got, double low, double high) {
  if (err) *err = (ofs_error){status, layer, field, (int32_t)why, got, low, high};
  return status;
}

const char *ofs_strerror(int status) {
  switch (status) {
  case OFS_OK: return "done";
  case OFS_MORE: return "more work remains";
  case OFS_INVALID_SPEC: return "the spec is not valid";
  case OFS_INVALID_DATA: return "the data do not fit the model";
  case OFS_INVALID_ARGUMENT: return "an argument is out of range";
  case OFS_OUT_OF_MEMORY: return "the block is too small";
  case OFS_INVALID_STATE: return "the call is out of sequence";
  case OFS_THREAD_LOST: return "a helper thread was lost";
  case OFS_NON_FINITE: return "a loss or gradient is not finite";
  default: return "unknown status";
  }
}
