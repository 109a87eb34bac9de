/** How fast the live drawing is. */

import { number, say } from "./texts.js";

// So often it is shown.
const EVERY_MS = 1000;

/** Frames a second and the time for one, as means over about a second. */
export class Rate {
  #show;
  #since = performance.now();
  #times = [];

  /** @param {(text: string) => void} show takes what is to be read */
  constructor(show) {
    this.#show = show;
  }

  /**
   * Counts a frame.
   * @param {number} milliseconds from the camera's picture to its drawing
   */
  count(milliseconds) {
    this.#times.push(milliseconds);
    const passed = performance.now() - this.#since;
    if (passed < EVERY_MS) return;
    const delay = this.#times.reduce((sum, time) => sum + time, 0) / this.#times.length;
    const words = { rate: number((1000 * this.#times.length) / passed, 1), delay: number(delay, 0) };
    this.#show(say("rate", words));
    this.#since = performance.now();
    this.#times = [];
  }
}
