/**
 * Remembers the last few answers of a function, for what is computed at every frame.
 *
 * @template T
 * @param {function(number): T} compute Function of a side in pixels.
 * @returns {function(number): T} The same; answers are shared, so nobody may change them.
 */
export function remembered(compute) {
  const answers = new Map();
  return (size) => {
    if (!answers.has(size)) {
      if (answers.size >= 4) answers.delete(answers.keys().next().value);
      answers.set(size, compute(size));
    }
    return answers.get(size);
  };
}
