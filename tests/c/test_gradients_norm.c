/* test_gradients_norm.c: normalization, embeddings and attention against central differences
 * (gradients.h): every option, odd shapes, frozen, distributed over time, masked, causal. */
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

/* Between two dense layers, so that all gradients are proved; the last one may be told to stand
 * still. */
static void norm_net(writer *w, int a, int b, int c, const norms *n, int channels, int frozen) {
  net(w, a, b, c, OFS_LOSS_MSE);
  dense(w, channels, OFS_ACT_TANH), norm(w, n);
  if (frozen) FIELD(w, OFS_LAYER_TRAINABLE, 0);
  dense(w, 2, OFS_ACT_LINEAR);
}

static void test_norms(void) {
  static const struct {
    int a, b, c, channels, groups;
    uint32_t n;
  } cases[] = {{3, 0, 0, 1, 1, 2}, {3, 0, 0, 6, 3, 5},  {3, 2, 0, 5, 5, 3},
               {3, 4, 2, 8, 2, 4}, {70, 3, 0, 7, 1, 9}, {9, 2, 3, 12, 4, 11}};
  static const int types[] = {OFS_LAYER_NORMALIZATION, OFS_BATCH_NORMALIZATION,
                              OFS_GROUP_NORMALIZATION};
  writer w;
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
    for (int k = 0; k < 3; k++)
      for (int options = 0; options < 4; options++)
        for (int frozen = 0; frozen < 2; frozen++) {
          const norms n = {types[k], options & 1, options >> 1, cases[i].groups};
          norm_net(&w, cases[i].a, cases[i].b, cases[i].c, &n, cases[i].channels, frozen);
          check_net(&w, cases[i].n, 1, types[k] == OFS_BATCH_NORMALIZATION && !frozen,
                    LABEL("norm %d of %d channels, options %d, frozen %d, case %d", types[k],
                          cases[i].channels, options, frozen, (int)i));
        }
}

/* ---- embeddings ---- */

static void embedding(writer *w, int rows, int width, int masks) {
  writer_record(w, OFS_EMBEDDING);
  FIELD(w, OFS_EMBEDDING_INPUT_DIM, rows);
  FIELD(w, OFS_EMBEDDING_OUTPUT_DIM, width);
  FIELD(w, OFS_EMBEDDING_MASK_ZERO, masks);
  FIELD(w, OFS_EMBEDDING_TABLE_INIT, OFS_INIT_RANDOM_UNIFORM, -1, 1);
}

static void positions(writer *w, int length) {
  writer_record(w, OFS_POSITION_EMBEDDING);
  FIELD(w, OFS_POSITION_EMBEDDING_LENGTH, length);
}

static void reshape(writer *w, int a, int b) {
  writer_record(w, OFS_RESHAPE);
  FIELD(w, OFS_RESHAPE_TARGET_SHAPE, a, b);
}

static void flatten(writer *w) { writer_record(w, OFS_FLATTEN); }

static void test_embeddings(void) {
  static const struct {
    int steps, rows, width, more;
    uint32_t n;
  } cases[] = {{1, 1, 1, 0, 1},
               {3, 7, 5, 2, 4},
               {9, 4, 6, 0, 11},
               {5, 301, 3, 4, 3},
               {70, 11, 8, 1, 37}};
  writer w;
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    net(&w, cases[i].steps, 0, 0, OFS_LOSS_MSE);
    embedding(&w, cases[i].rows, cases[i].width, 0), positions(&w, cases[i].steps + cases[i].more),
        dense(&w, 2, OFS_ACT_TANH);
    check_net(&w, cases[i].n, 1, 0, LABEL("embedding case %d", (int)i));
    /* sequences within a sample, through views of the input */
    net(&w, 2, cases[i].steps, 0, OFS_LOSS_MSE);
    flatten(&w), reshape(&w, cases[i].steps, 2), embedding(&w, cases[i].rows, cases[i].width, 0),
        positions(&w, 3), dense(&w, 2, OFS_ACT_TANH);
    check_net(&w, cases[i].n, 1, 0, LABEL("embedding of views, case %d", (int)i));
  }
  net(&w, 4, 0, 0, OFS_LOSS_MSE); /* two tables for one input, one frozen */
  embedding(&w, 9, 3, 0), embedding(&w, 6, 3, 0);
  FIELD(&w, OFS_LAYER_INPUT, -1);
  FIELD(&w, OFS_LAYER_TRAINABLE, 0);
  writer_record(&w, OFS_ADD);
  FIELD(&w, OFS_LAYER_INPUT, 0, 1);
  dense(&w, 2, OFS_ACT_LINEAR);
  check_net(&w, 5, 1, 0, "two tables");
}

/* ---- attention ---- */

typedef struct heads {
  int count, key, value, bias, causal;
  double dropout;
} heads;

static void attention(writer *w, const heads *h) {
  writer_record(w, OFS_MULTI_HEAD_ATTENTION);
  FIELD(w, OFS_ATTENTION_HEADS, h->count);
  FIELD(w, OFS_ATTENTION_KEY_DIM, h->key);
  if (h->value) FIELD(w, OFS_ATTENTION_VALUE_DIM, h->value);
  FIELD(w, OFS_ATTENTION_USE_BIAS, h->bias);
  FIELD(w, OFS_ATTENTION_CAUSAL, h->causal);
  FIELD(w, OFS_ATTENTION_DROPOUT, h->dropout);
  FIELD(w, OFS_ATTENTION_KERNEL_INIT, OFS_INIT_RANDOM_UNIFORM, -0.7, 0.7);
  FIELD(w, OFS_ATTENTION_BIAS_INIT, OFS_INIT_RANDOM_UNIFORM, -0.5, 0.5);
}

/* Another input of the model, before the optimizer's record. */
static void net_of(writer *w, int inputs, const double shapes[][2], const int *ranks) {
  begin(w, ranks[0], shapes[0]);
  FIELD(w, OFS_MODEL_LOSS, OFS_LOSS_MSE);
  for (int i = 1; i < inputs; i++) {
    writer_record(w, OFS_INPUT);
    writer_values(w, OFS_INPUT_SHAPE, (uint16_t)ranks[i], shapes[i]);
  }
  writer_record(w, OFS_SGD);
}

static void dense_of(writer *w, int units, int input) {
  dense(w, units, OFS_ACT_TANH);
  FIELD(w, OFS_LAYER_INPUT, input);
}

/* Self-attention between two layers; then query and value, and query, value and key, of layers of
 * their own. */
static void test_attention(void) {
  static const struct {
    int steps, keys, width;
    heads h;
    uint32_t n;
  } cases[] = {{1, 1, 3, {1, 1, 0, 1, 0, 0}, 1},   {3, 5, 4, {2, 3, 0, 1, 0, 0}, 4},
               {7, 4, 5, {3, 2, 5, 0, 0, 0}, 3},   {6, 9, 3, {2, 5, 1, 1, 1, 0}, 2},
               {9, 6, 4, {1, 8, 0, 0, 1, 0}, 5},   {5, 3, 6, {4, 3, 2, 1, 0, 0.4}, 3},
               {67, 35, 3, {2, 9, 4, 1, 1, 0}, 2}, {33, 101, 2, {1, 70, 67, 1, 1, 0.25}, 2}};
  writer w;
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    const heads *h = &cases[i].h;
    const int steps = cases[i].steps, keys = cases[i].keys, random = h->dropout > 0;
    /* many blocks take long, and one parameter passes through all of them */
    probes = steps * keys > 1000 ? 12 : 60;
    for (int frozen = 0; frozen < 2; frozen++) {
      net(&w, steps, 3, 0, OFS_LOSS_MSE);
      dense(&w, cases[i].width, OFS_ACT_TANH), attention(&w, h);
      if (frozen) FIELD(&w, OFS_LAYER_TRAINABLE, 0);
      dense(&w, 2, OFS_ACT_LINEAR);
      check_net(&w, cases[i].n, 1, random,
                LABEL("self-attention, frozen %d, case %d", frozen, (int)i));
    }
    const double shapes[][2] = {{steps, 3}, {keys, 2}, {keys, 4}};
    const int ranks[] = {2, 2, 2};
    for (int inputs = 2; inputs <= 3; inputs++) {
      net_of(&w, inputs, shapes, ranks);
      dense_of(&w, cases[i].width, -1), dense_of(&w, 3, -2);
      if (inputs > 2) dense_of(&w, 5, -3);
      attention(&w, h);
      if (inputs > 2)
        FIELD(&w, OFS_LAYER_INPUT, 0, 1, 2);
      else
        FIELD(&w, OFS_LAYER_INPUT, 0, 1);
      dense(&w, 2, OFS_ACT_LINEAR);
      check_net(&w, cases[i].n, 1, random,
                LABEL("attention of %d inputs, case %d", inputs, (int)i));
    }
    net(&w, keys, 3, 0, OFS_LOSS_MSE); /* one layer three times; its own input as value and key */
    dense(&w, 4, OFS_ACT_TANH), attention(&w, h);
    FIELD(&w, OFS_LAYER_INPUT, 0, 0, 0);
    attention(&w, h);
    FIELD(&w, OFS_LAYER_INPUT, 1, 0, 1);
    dense(&w, 2, OFS_ACT_LINEAR);
    check_net(&w, cases[i].n, 1, random, LABEL("attention of one layer, case %d", (int)i));
    net(&w, 3, keys, 2, OFS_LOSS_MSE); /* over time */
    dense(&w, 3, OFS_ACT_TANH), writer_record(&w, OFS_TIME_DISTRIBUTED), attention(&w, h),
        dense(&w, 2, OFS_ACT_LINEAR);
    check_net(&w, cases[i].n, 1, random, LABEL("attention over time, case %d", (int)i));
  }
}

/* Masked positions: of the query, of the value, of both; causal too, so that some queries see
 * nothing. */
static void test_masks(void) {
  static const heads kinds[] = {{2, 3, 0, 1, 0, 0}, {2, 3, 2, 1, 1, 0}, {1, 4, 0, 0, 1, 0.3}};
  writer w;
  probes = 40;
  for (int i = 0; i < 3; i++)
    for (int steps = 1; steps < 40; steps = 2 * steps + 3) {
      const double shapes[][2] = {{steps, 0}, {steps + 2, 0}};
      const int ranks[] = {1, 1}, random = kinds[i].dropout > 0;
      net(&w, steps, 0, 0, OFS_LOSS_MSE);
      embedding(&w, 3, 4, 1), attention(&w, &kinds[i]), flatten(&w), dense(&w, 2, OFS_ACT_LINEAR);
      check_net(&w, 4, 1, random, LABEL("masked self-attention, %d steps, case %d", steps, i));
      for (int which = 1; which < 4; which++) {
        net_of(&w, 2, shapes, ranks);
        embedding(&w, 3, 4, which & 1);
        FIELD(&w, OFS_LAYER_INPUT, -1);
        embedding(&w, 3, 5, which >> 1);
        FIELD(&w, OFS_LAYER_INPUT, -2);
        attention(&w, &kinds[i]);
        FIELD(&w, OFS_LAYER_INPUT, 0, 1);
        flatten(&w), dense(&w, 2, OFS_ACT_LINEAR);
        check_net(&w, 3, 1, random,
                  LABEL("masked attention, masks %d, %d steps, case %d", which, steps, i));
      }
      const norms n = {OFS_BATCH_NORMALIZATION, 1, 1, 0};
      net(&w, steps, 0, 0, OFS_LOSS_MSE);
      embedding(&w, 3, 4, 1), norm(&w, &n), flatten(&w), dense(&w, 2, OFS_ACT_LINEAR);
      check_net(&w, 9, 1, 1, LABEL("masked batch normalization, %d steps", steps));
    }
}

int main(void) {
  test_norms();
  test_embeddings();
  test_attention();
  test_masks();
  return check_report("gradients of normalization");
}
