/** Lets the page work without a network, and be installed. */

// The service worker keeps what it sees loaded; on the first visit it must see the runtime, too. Until
// then it loads what is needed anyway, so that a long wait costs no time.
const PATIENCE_MS = 60_000;
const LOADED_AGAIN = "portrait: loaded again";

/**
 * Starts the service worker and waits until it looks after this page. On the first visit the page is
 * then loaded once more, for only a page that came through the service worker may use threads.
 * @param {() => boolean} isIdle whether the visitor has not begun anything that would be lost
 * @returns {Promise<void>}
 */
export async function lookAfter(isIdle) {
  const looked = await isLookedAfter();
  if (!looked || self.crossOriginIsolated || !isIdle() || sessionStorage.getItem(LOADED_AGAIN)) return;
  sessionStorage.setItem(LOADED_AGAIN, "yes"); // once: a browser may not know isolation
  location.reload();
  await new Promise(() => {});
}

// There is none in an insecure page, or in some private windows.
async function isLookedAfter() {
  if (!navigator.serviceWorker) return false;
  let registration;
  try {
    registration = await navigator.serviceWorker.register("service-worker.js", { updateViaCache: "none" });
  } catch {
    return false;
  }
  if (navigator.serviceWorker.controller) return true;
  return new Promise((resolve) => {
    setTimeout(() => resolve(false), PATIENCE_MS);
    const worker = registration.installing;
    worker?.addEventListener("statechange", () => {
      if (worker.state === "redundant") resolve(false); // a file could not be loaded
    });
    navigator.serviceWorker.addEventListener("controllerchange", () => resolve(true), { once: true });
  });
}

/**
 * Calls back when a newer version of the page has been fetched.
 * @param {(apply: () => void) => void} found `apply` changes to it and loads the page again
 */
export async function watchForNews(found) {
  const registration = await navigator.serviceWorker?.getRegistration();
  if (!registration) return;
  const tell = (worker) => found(() => {
    navigator.serviceWorker.addEventListener("controllerchange", () => location.reload(), { once: true });
    worker.postMessage("take over");
  });
  const follow = (worker) => worker?.addEventListener("statechange", () => {
    if (worker.state === "installed" && navigator.serviceWorker.controller) tell(worker);
  });
  if (registration.waiting) tell(registration.waiting);
  follow(registration.installing); // it may have been found while the page was starting
  registration.addEventListener("updatefound", () => follow(registration.installing));
}

/**
 * Shows a button while the browser offers to install the page.
 * @param {HTMLButtonElement} button
 */
export function offerInstalling(button) {
  let offer = null;
  addEventListener("beforeinstallprompt", (event) => {
    event.preventDefault();
    offer = event;
    button.hidden = false;
  });
  button.addEventListener("click", () => offer?.prompt());
  addEventListener("appinstalled", () => {
    button.hidden = true;
  });
}
