/** What a visitor can mend, told apart by a code: the page has the words for it, `error.CODE` in texts.json. */

/** One line that says what is wrong, and a code such as "no-face" for the text that the page shows. */
export class PortraitError extends Error {
  /**
   * @param {string} code "no-face", "no-runtime", "no-memory", "no-file", "bad-file", "bad-photo",
   *   "bad-setting" or "failed"; of the page itself also "not-a-picture", "too-large", and "camera-"
   *   with what is wrong with it.
   * @param {string} message one line: what is wrong, what was expected, "Received: ...".
   * @param {object} [options] as `Error` takes them, such as `cause`.
   */
  constructor(code, message, options) {
    super(message, options);
    this.name = "PortraitError";
    this.code = code;
  }
}
