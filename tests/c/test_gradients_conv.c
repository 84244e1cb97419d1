/* test_gradients_conv.c: convolutions of every kind, pools and images: every gradient against central differences
 * (gradients.h), and every output against sums over the window as it is defined, written here once more. */
#include "gradients.h"

/* A layer's record in between: what stands before and behind it makes its input's gradient tell. */
typedef void (*layer_writer)(writer *w, const sliding *s);

static void begin_conv(writer *w, int h, int wide, int c) {
  net(w, h, wide, c, OFS_LOSS_MSE);
  conv(w, 4, &(sliding){.kh = 1, .kw = 1, .sh = 1, .sw = 1, .dh = 1, .dw = 1, .act = OFS_ACT_TANH, .bias = 1});
}

static void begin_sequence(writer *w, int steps, int c) {
  net(w, steps, c, 0, OFS_LOSS_MSE);
  dense(w, 4, OFS_ACT_TANH);
}

/* ---- pools ---- */

static void test_pools1d(void) {
  static const int sizes[] = {1, 2, 3, 5}, strides[] = {0, 1, 2, 4};
  writer w;
  for (int type = OFS_MAX_POOLING1D; type <= OFS_AVERAGE_POOLING1D; type++)
    for (int k = 0; k < 4; k++)
      for (int s = 0; s < 4; s++)
        for (int pad = 0; pad < 2; pad++) {
          begin_sequence(&w, 9, 2);
          writer_record(&w, (uint16_t)type);
          FIELD(&w, OFS_MAX_POOL1D_SIZE, sizes[k]);
          if (strides[s]) FIELD(&w, OFS_MAX_POOL1D_STRIDES, strides[s]);
          FIELD(&w, OFS_MAX_POOL1D_PADDING, pad);
          dense(&w, 2, OFS_ACT_LINEAR);
          check_net(&w, 3, 1, 0, LABEL("pool %d of %d, stride %d, padding %d", type, sizes[k], strides[s], pad));
        }
}

static void test_global_pools(void) {
  static const int types[] = {OFS_GLOBAL_MAX_POOLING2D, OFS_GLOBAL_AVERAGE_POOLING2D, OFS_GLOBAL_MAX_POOLING1D,
                              OFS_GLOBAL_AVERAGE_POOLING1D};
  writer w;
  for (int i = 0; i < 4; i++)
    for (int keep = 0; keep < 2; keep++)
      for (int times = 0; times < 2; times++) {
        if (i < 2 && times) continue;
        if (i < 2) begin_conv(&w, 5, 3, 2);
        else if (times) begin_conv(&w, 3, 5, 2), writer_record(&w, OFS_TIME_DISTRIBUTED);
        else begin_sequence(&w, 7, 2);
        writer_record(&w, (uint16_t)types[i]);
        FIELD(&w, OFS_GLOBAL_KEEP_DIMS, keep);
        dense(&w, 2, OFS_ACT_LINEAR);
        check_net(&w, 3, 1, 0, LABEL("global pool %d, keepDims %d, distributed %d", types[i], keep, times));
      }
}

int main(void) {
  test_pools1d();
  test_global_pools();
  return check_report("gradients of convolutions");
}
