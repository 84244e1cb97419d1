/* layout.h: the layout of a program's buffers in the plan's block. */
#ifndef OFS_LAYOUT_H
#define OFS_LAYOUT_H

#include "build/build.h"

/* Gives every buffer its offset and fills b->live. Returns the bytes that they take together. */
uint64_t ofs_place_buffers(ofs_builder *b);

#endif
