/* peak.c: how fast this machine multiplies matrices at best, in wasm with SIMD. A
 * register-blocked micro-kernel over packed panels that stay in the first-level cache: no
 * packing, no memory, no edges. 4 x 8 with multiply and add, 6 x 8 with relaxed SIMD's fused
 * one: the fastest of each. What a training step does per second is told as a share of this.
 * Nothing of the core is here, so that the measure does not move with what is measured. */
typedef float f4 __attribute__((vector_size(16)));

#ifdef __wasm_relaxed_simd__
#define MADD(s, x, b) __builtin_wasm_relaxed_madd_f32x4(x, b, s)
enum { ROWS = 6 };
#else
#define MADD(s, x, b) ((s) + (x) * (b))
enum { ROWS = 4 };
#endif
enum { DEPTH = 256 };
static float a[DEPTH][ROWS];
static f4 b[DEPTH][2];
static f4 c[ROWS][2];

/* c += a^T b, `times` times over. Returns the operations of one time. */
int peak(int times) {
  for (int t = 0; t < times; t++) {
    f4 s[ROWS][2];
    for (int i = 0; i < ROWS; i++)
      for (int j = 0; j < 2; j++) s[i][j] = c[i][j];
    for (int k = 0; k < DEPTH; k++) {
      const f4 b0 = b[k][0], b1 = b[k][1];
      for (int i = 0; i < ROWS; i++) {
        const f4 x = {a[k][i], a[k][i], a[k][i], a[k][i]};
        s[i][0] = MADD(s[i][0], x, b0);
        s[i][1] = MADD(s[i][1], x, b1);
      }
    }
    for (int i = 0; i < ROWS; i++)
      for (int j = 0; j < 2; j++) c[i][j] = s[i][j];
  }
  return 2 * ROWS * 8 * DEPTH;
}

/* Numbers that stay finite and normal however often they are added up. */
void fill(void) {
  for (int k = 0; k < DEPTH; k++) {
    for (int i = 0; i < ROWS; i++) a[k][i] = (k & 1) ? -0.5f : 0.5f;
    for (int j = 0; j < 2; j++) b[k][j] = (f4){1.0f, 0.5f, 0.25f, 0.125f};
  }
}
