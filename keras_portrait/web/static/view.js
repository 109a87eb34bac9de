/** Shows a photo and its drawing on one canvas, parted by a line. */

// Enough for a screen; what is saved has all pixels.
const MOST_SIDE = 1600;

/** The canvas, and the slider that parts it. */
export class View {
  #canvas;
  #pen;
  #slider;
  #photo = null;
  #drawing = null;
  #mirrored = false;
  #sliding = 0;

  /**
   * @param {HTMLCanvasElement} canvas
   * @param {HTMLInputElement} slider percent of the picture that shows the photo, from the left
   */
  constructor(canvas, slider) {
    this.#canvas = canvas;
    this.#pen = canvas.getContext("2d", { alpha: false });
    this.#slider = slider;
    slider.addEventListener("input", () => this.#paint());
    canvas.addEventListener("pointerdown", (event) => this.#follow(event, true));
    canvas.addEventListener("pointermove", (event) => this.#follow(event, false));
  }

  /**
   * Shows a pair; what was shown before is let go, unless it is shown again.
   * @param {ImageBitmap} photo
   * @param {?ImageBitmap} drawing null where there is none yet: then the photo alone
   * @param {boolean} mirrored left and right change places
   */
  show(photo, drawing, mirrored = false) {
    for (const [before, now] of [[this.#photo, photo], [this.#drawing, drawing]]) {
      if (before && before !== now) before.close();
    }
    [this.#photo, this.#drawing, this.#mirrored] = [photo, drawing, mirrored];
    this.#fit(drawing || photo);
    this.#paint();
  }

  /** Draws the line across the picture once, from the photo to the drawing. */
  reveal() {
    cancelAnimationFrame(this.#sliding);
    const begun = performance.now();
    const step = (now) => {
      const part = Math.min(1, Math.max(0, (now - begun) / 900));
      this.#slider.value = 100 * (1 - part) ** 3;
      this.#paint();
      if (part < 1) this.#sliding = requestAnimationFrame(step);
    };
    if (matchMedia("(prefers-reduced-motion: reduce)").matches) this.part(0);
    else this.#sliding = requestAnimationFrame(step);
  }

  /**
   * Moves the line.
   * @param {number} percent of the picture that shows the photo
   */
  part(percent) {
    cancelAnimationFrame(this.#sliding);
    this.#slider.value = percent;
    this.#paint();
  }

  #fit({ width, height }) {
    const scale = Math.min(1, MOST_SIDE / Math.max(width, height));
    const [across, down] = [Math.round(width * scale), Math.round(height * scale)];
    if (this.#canvas.width === across && this.#canvas.height === down) return;
    [this.#canvas.width, this.#canvas.height] = [across, down];
    this.#canvas.parentElement.style.setProperty("--shape", across / down);
  }

  #paint() {
    const pen = this.#pen;
    const { width, height } = this.#canvas;
    if (!this.#photo) return;
    const split = this.#drawing ? Math.round(width * this.#slider.value / 100) : width;
    pen.setTransform(this.#mirrored ? -1 : 1, 0, 0, 1, this.#mirrored ? width : 0, 0);
    pen.imageSmoothingQuality = "high";
    pen.fillStyle = "#ffffff"; // behind what is transparent
    pen.fillRect(0, 0, width, height);
    if (this.#drawing) pen.drawImage(this.#drawing, 0, 0, width, height);
    if (split > 0) {
      pen.save();
      pen.beginPath();
      pen.rect(this.#mirrored ? width - split : 0, 0, split, height);
      pen.clip();
      pen.drawImage(this.#photo, 0, 0, width, height);
      pen.restore();
    }
    pen.setTransform(1, 0, 0, 1, 0, 0);
    if (split <= 0 || split >= width) return;
    const thick = Math.max(2, Math.round(width / 300));
    pen.fillStyle = "#000000";
    pen.fillRect(split - thick, 0, 2 * thick, height);
    pen.fillStyle = "#ffffff";
    pen.fillRect(split - thick / 2, 0, thick, height);
  }

  #follow(event, pressed) {
    if (!pressed && !(event.buttons & 1)) return;
    if (pressed) this.#canvas.setPointerCapture(event.pointerId);
    // The picture keeps its shape, so the canvas may have bars beside it.
    const box = this.#canvas.getBoundingClientRect();
    const width = this.#canvas.width * Math.min(box.width / this.#canvas.width, box.height / this.#canvas.height);
    this.part(50 + 100 * (event.clientX - box.left - box.width / 2) / width);
  }
}
