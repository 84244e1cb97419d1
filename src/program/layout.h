/* layout.h: where a program's buffers lie. */
#ifndef OFS_LAYOUT_H
#define OFS_LAYOUT_H

#include "build/build.h"

/* Gives every buffer its offset, and b->live; the bytes that they take together. */
uint64_t ofs_place_buffers(ofs_builder *b);

#endif
