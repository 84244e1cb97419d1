/* test_gradients_norm.c: normalization, embeddings and attention against central differences (gradients.h): every option,
 * odd shapes, frozen, distributed over time, masked, causal. */
#include "gradients.h"

typedef struct norms {
  int type, center, scale, groups;
} norms;

static void norm(writer *w, const norms *n) {
  writer_record(w, (uint16_t)n->type);
  FIELD(w, OFS_LAYER_NORMALIZATION_EPSILON, 0.05);
  FIELD(w, OFS_LAYER_NORMALIZATION_CENTER, n->center);
  FIELD(w, OFS_LAYER_NORMALIZATION_SCALE, n->scale);
  FIELD(w, OFS_LAYER_NORMALIZATION_GAMMA_INIT, OFS_INIT_RANDOM_UNIFORM, 0.5, 1.5);
  FIELD(w, OFS_LAYER_NORMALIZATION_BETA_INIT, OFS_INIT_RANDOM_UNIFORM, -0.5, 0.5);
  if (n->type == OFS_GROUP_NORMALIZATION) FIELD(w, OFS_GROUP_NORMALIZATION_GROUPS, n->groups);
  if (n->type != OFS_BATCH_NORMALIZATION) return;
  FIELD(w, OFS_BATCH_NORMALIZATION_MEAN_INIT, OFS_INIT_RANDOM_UNIFORM, -0.5, 0.5);
  FIELD(w, OFS_BATCH_NORMALIZATION_VARIANCE_INIT, OFS_INIT_RANDOM_UNIFORM, 0.5, 1.5);
}

/* Between two dense layers, so that all gradients are proved; the last one may be told to stand still. */
static void norm_net(writer *w, int a, int b, int c, const norms *n, int channels, int frozen) {
  net(w, a, b, c, OFS_LOSS_MSE);
  dense(w, channels, OFS_ACT_TANH), norm(w, n);
  if (frozen) FIELD(w, OFS_LAYER_TRAINABLE, 0);
  dense(w, 2, OFS_ACT_LINEAR);
}

static void test_norms(void) {
  static const struct { int a, b, c, channels, groups; uint32_t n; } cases[] = {
      {3, 0, 0, 1, 1, 2}, {3, 0, 0, 6, 3, 5}, {3, 2, 0, 5, 5, 3}, {3, 4, 2, 8, 2, 4}, {70, 3, 0, 7, 1, 9}, {9, 2, 3, 12, 4, 11}};
  static const int types[] = {OFS_LAYER_NORMALIZATION, OFS_BATCH_NORMALIZATION, OFS_GROUP_NORMALIZATION};
  writer w;
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
    for (int k = 0; k < 3; k++)
      for (int options = 0; options < 4; options++)
        for (int frozen = 0; frozen < 2; frozen++) {
          const norms n = {types[k], options & 1, options >> 1, cases[i].groups};
          norm_net(&w, cases[i].a, cases[i].b, cases[i].c, &n, cases[i].channels, frozen);
          check_net(&w, cases[i].n, 1, types[k] == OFS_BATCH_NORMALIZATION && !frozen,
                    LABEL("norm %d of %d channels, options %d, frozen %d, case %d", types[k], cases[i].channels, options, frozen, (int)i));
        }
}

int main(void) {
  test_norms();
  return check_report("gradients of normalization");
}
