/* status.h: how a function of the core refuses: it fills the caller's ofs_error, returns the
 * status. */
#ifndef OFS_STATUS_H
#define OFS_STATUS_H

#include "offstage.h"

/* Fills `err`, which may be NULL, and returns `status`. `got` is the value that was refused, `low`
 * and `high` bound what is allowed. */
ofs_status ofs_refuse(ofs_error *err, ofs_status status, int32_t layer, int32_t field,
                      ofs_reason why, double got, double low, double high);

#endif
