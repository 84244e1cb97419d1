/* tfjs-layers.js: layers that TF.js does not have, as one writes them for it: a class with weights
 * and a call().
 *
 * Causal attention with all heads in one product, and positions added to embeddings. */

/** @param {any} tf @returns {Record<string, (fields: any) => any>} */
export function ownLayers(tf) {
  class PositionEmbedding extends tf.layers.Layer {
    static className = 'PositionEmbedding';
    /** @param {any} fields */
    constructor({ sequenceLength }) {
      super({});
      this.length = sequenceLength;
    }

    /** @param {number[]} shape */
    build(shape) {
      this.table = this.addWeight(
        'embeddings',
        [this.length, shape[shape.length - 1]],
        'float32',
        tf.initializers.zeros(),
      );
      super.build(shape);
    }

    /** @param {any} inputs */
    call(inputs) {
      return tf.add([inputs].flat()[0], this.table.read());
    }
  }

  class CausalAttention extends tf.layers.Layer {
    static className = 'CausalAttention';
    /** @param {any} fields */
    constructor({ numHeads, keyDim }) {
      super({});
      Object.assign(this, { heads: numHeads, width: keyDim });
    }

    /** @param {number[][] | number[]} shapes */
    build(shapes) {
      const [, steps, width] = /** @type {number[]} */ (
        Array.isArray(shapes[0]) ? shapes[0] : shapes
      );
      const weight = (/** @type {string} */ name, /** @type {number[]} */ shape) =>
        this.addWeight(name, shape, 'float32', tf.initializers.zeros());
      this.parts = ['query', 'key', 'value'].map((name) => [
        weight(`${name}_kernel`, [width, this.heads, this.width]),
        weight(`${name}_bias`, [this.heads, this.width]),
      ]);
      this.out = [
        weight('output_kernel', [this.heads, this.width, width]),
        weight('output_bias', [width]),
      ];
      this.hidden = tf.keep(
        tf.tidy(() => tf.mul(tf.sub(1, tf.linalg.bandPart(tf.ones([steps, steps]), -1, 0)), -1e9)),
      );
      super.build(shapes);
    }

    /** @param {any} inputs */
    call(inputs) {
      const x = [inputs].flat()[0];
      const [n, steps, width] = x.shape;
      const flat = tf.reshape(x, [n * steps, width]);
      const [q, k, v] = /** @type {any[]} */ (this.parts).map(([kernel, bias]) => {
        const all = tf.add(
          tf.matMul(flat, tf.reshape(kernel.read(), [width, -1])),
          tf.reshape(bias.read(), [-1]),
        );
        return tf.transpose(tf.reshape(all, [n, steps, this.heads, this.width]), [0, 2, 1, 3]);
      });
      const scores = tf.add(
        tf.mul(tf.matMul(q, k, false, true), 1 / Math.sqrt(this.width)),
        this.hidden,
      );
      const taken = tf.reshape(tf.transpose(tf.matMul(tf.softmax(scores), v), [0, 2, 1, 3]), [
        n * steps,
        -1,
      ]);
      const [kernel, bias] = /** @type {any[]} */ (this.out).map((each) => each.read());
      return tf.reshape(tf.add(tf.matMul(taken, tf.reshape(kernel, [-1, width])), bias), [
        n,
        steps,
        width,
      ]);
    }
  }

  return {
    positionEmbedding: (fields) => new PositionEmbedding(fields),
    multiHeadAttention: (fields) => new CausalAttention(fields),
  };
}
