/* graph.h: the reader that makes the nodes of a model of a spec. */
#ifndef OFS_GRAPH_H
#define OFS_GRAPH_H

#include "program/model.h"

/* Decodes and checks a spec into `m`; `layers` may be NULL (counts only). */
ofs_status ofs_spec_read(ofs_model *m, ofs_layer *layers, const void *spec, size_t n,
                         ofs_error *err);

#endif
