/** The camera: its pictures one by one, the newest first. */

import { PortraitError } from "./inference/errors.js";

// What a live picture measures at most, along its longer side: as much as is drawn quickly.
const LIVE_SIDE = 640;
const REASONS = {
  NotAllowedError: "camera-denied", SecurityError: "camera-denied",
  NotFoundError: "camera-missing", OverconstrainedError: "camera-missing",
  NotReadableError: "camera-busy", AbortError: "camera-busy",
};

/** One camera at a time. `onlost` is called where it ends by itself. */
export class Camera {
  #video = document.createElement("video");
  #stream = null;
  #run = 0; // counts what opens and closes it, so that a late stream is not kept
  facing = "user";
  onlost = () => {};

  constructor() {
    Object.assign(this.#video, { muted: true, playsInline: true });
  }

  /** @returns {boolean} whether it is on */
  get isOpen() {
    return this.#stream !== null;
  }

  /**
   * Opens the camera that looks at the visitor, or after `flip` the other one.
   * @returns {Promise<void>} rejects with an AbortError where it was closed or opened anew meanwhile, else
   *   with a PortraitError whose code tells why not
   */
  async open() {
    this.close();
    const mine = this.#run;
    if (!navigator.mediaDevices) {
      throw new PortraitError("camera-insecure", "Expected a secure page. Received: no mediaDevices");
    }
    const video = { facingMode: this.facing, width: { ideal: 1280 }, height: { ideal: 720 } };
    let stream = null;
    try {
      stream = await navigator.mediaDevices.getUserMedia({ video, audio: false });
      if (mine === this.#run) {
        this.#stream = this.#video.srcObject = stream;
        await this.#video.play();
      }
    } catch (error) {
      if (mine === this.#run) {
        this.close();
        throw new PortraitError(REASONS[error.name] || "camera-failed", String(error), { cause: error });
      }
    }
    // The visitor may answer late, when the camera is no longer wanted or was asked for again.
    if (mine !== this.#run) {
      stop(stream);
      throw new DOMException("The camera was left before it was open", "AbortError");
    }
    const [track] = stream.getVideoTracks();
    track.addEventListener("ended", () => {
      this.close();
      this.onlost();
    });
  }

  /** @returns {Promise<boolean>} whether the device has another one; known once one is open */
  async hasOther() {
    const devices = await navigator.mediaDevices.enumerateDevices();
    return devices.filter(({ kind }) => kind === "videoinput").length > 1;
  }

  /** Turns to the other side. */
  async flip() {
    this.facing = this.facing === "user" ? "environment" : "user";
    await this.open();
  }

  /** Switches it off, so that its light goes out. */
  close() {
    this.#run += 1;
    stop(this.#stream);
    this.#stream = null;
    this.#video.srcObject = null;
  }

  /**
   * Waits for the next picture.
   * @returns {Promise<?ImageBitmap>} small enough to draw live; null where the camera was closed
   */
  async next() {
    await this.#newer();
    if (!this.#stream) return null;
    const { videoWidth: width, videoHeight: height } = this.#video;
    const scale = Math.min(1, LIVE_SIDE / Math.max(width, height));
    const size = { resizeWidth: Math.round(width * scale), resizeHeight: Math.round(height * scale) };
    return createImageBitmap(this.#video, scale < 1 ? { ...size, resizeQuality: "medium" } : {});
  }

  /**
   * The picture of now, as large as the camera makes it.
   * @returns {Promise<ImageBitmap>}
   */
  take() {
    return createImageBitmap(this.#video);
  }

  #newer() {
    return new Promise((resolve) => {
      // A camera that hangs or a hidden page brings no frames; closing must end the wait all the same.
      const patience = setTimeout(resolve, 500);
      const done = () => {
        clearTimeout(patience);
        resolve();
      };
      if (this.#video.requestVideoFrameCallback) this.#video.requestVideoFrameCallback(done);
      else requestAnimationFrame(done);
    });
  }
}

function stop(stream) {
  for (const track of stream?.getTracks() || []) track.stop();
}
