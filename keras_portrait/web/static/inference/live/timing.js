/** Wall times of the stages of a frame. */

/** Adds up how long each stage takes. */
export class Stages {
  /** @type {Object<string, number>} milliseconds by name, added up. */
  ms = {};

  /**
   * Adds the time that work takes to a stage.
   *
   * @template T
   * @param {string} name of the stage.
   * @param {() => T | Promise<T>} work
   * @returns {Promise<T>} what it returned.
   */
  async time(name, work) {
    const started = performance.now();
    try {
      return await work();
    } finally {
      this.ms[name] = (this.ms[name] ?? 0) + performance.now() - started;
    }
  }

  /**
   * The same of work that is done while another stage is timed, and does not count there.
   *
   * @template T
   * @param {string} name of the stage.
   * @param {string} outer name of the other one.
   * @param {() => T | Promise<T>} work
   * @returns {Promise<T>}
   */
  async within(name, outer, work) {
    const before = this.ms[name] ?? 0;
    try {
      return await this.time(name, work);
    } finally {
      this.ms[outer] = (this.ms[outer] ?? 0) - (this.ms[name] - before);
    }
  }
}
