/** The page: what its buttons do, and what it shows when. */

import { Camera } from "./camera.js";
import { Drawing, canDraw } from "./drawing.js";
import { lookAfter, offerInstalling, watchForNews } from "./offline.js";
import { openPhoto, pictureOf } from "./photos.js";
import { canShare, download, fileOf, share } from "./saving.js";
import { Rate } from "./rate.js";
import { presetCards, styleChips } from "./settings.js";
import { busy, fail, settle, tell } from "./status.js";
import { knows, loadTexts, number, say } from "./texts.js";
import { View } from "./view.js";

const get = (id) => document.getElementById(id);
const view = new View(get("picture"), get("split"));
const camera = new Camera();
const drawing = new Drawing();
// Faces that are drawn live.
const MOST_FACES = 3;
const MEGA = 1e6;
// What does not go away when it is tried again.
const HOPELESS = ["camera-insecure", "camera-missing"];

let presets = []; // of models/index.json
let follow; // takes the promise of the first load, which who is early waits for
let loaded = new Promise((resolve) => { // of the answer to the last load
  follow = resolve;
});
let shown = null; // the photo on the screen: {photo, from, mirrored, drawing}
let turn = 0; // counts what is drawn, so that a late answer does not show
let liveRun = 0; // counts the runs of the camera in the same way,
let coming = 0; // what is to be shown next: photos that are opened, and the camera,
let changes = 0; // and the changes of the preset
let working = ""; // the last preset that could be loaded
let canGoOn = false; // whether one has been loaded, which draws on where the next one fails
let begun = false; // whether the visitor has begun anything
let waitingForLoad = 0; // how many wait for what draws

// What has the focus next where a button goes that had it.
const NEXT = { welcome: "use-camera", live: "take", photo: "picture" };

function enter(mode) {
  const before = document.activeElement;
  document.body.dataset.mode = mode;
  if (before !== document.body && !before.checkVisibility?.()) get(NEXT[mode]).focus({ preventScroll: true });
  if (mode !== "live") get("rate").textContent = "";
  if (mode !== "welcome") get("picture").setAttribute("aria-label", say(`picture_${mode}`));
}

// ---- what draws ----

const chosen = (name) => document.querySelector(`input[name="${name}"]:checked`)?.value;

function load(preset) {
  loaded = begin(preset);
  follow(loaded);
  loaded.then(() => {
    canGoOn = true;
  }, () => {}); // whoever needs it hears of it
  return loaded;
}

async function begin(preset) {
  const title = presets.find(({ name }) => name === preset).title;
  let runtime = false;
  const answer = await drawing.load(preset, (step, done, total) => {
    runtime ||= step === "runtime" && total > 0;
    if (!waitingForLoad) return;
    if (step === "runtime" && total) {
      const parts = { loaded: number(done / MEGA, 1), total: number(total / MEGA, 1) };
      busy(say("loading_runtime", parts), done, total);
    } else busy(runtime ? say("loading") : say("loading_preset", { preset: title }));
  });
  const { accelerator, threads } = answer;
  const kind = accelerator === "webgpu" ? "webgpu" : threads > 1 ? "wasm" : "wasm_one";
  get("facts").textContent = say(`facts_${kind}`, { threads });
  return answer;
}

/** Waits for the last load; where it fails, the preset before goes on drawing. */
async function ready() {
  await loaded.catch((error) => {
    if (!canGoOn) throw error;
  });
}

/** Waits, and says for what. */
async function patiently(loading) {
  waitingForLoad += 1;
  try {
    busy(say("loading"));
    await loading;
  } finally {
    waitingForLoad -= 1;
    busy("");
  }
}

async function changePreset(name) {
  const offer = (preset) => {
    document.querySelector(`input[name="preset"][value="${preset}"]`).checked = true;
    styleChips(get("style"), presets.find((each) => each.name === preset).styles);
  };
  const mine = ++changes;
  settle();
  offer(name);
  try {
    await patiently(load(name));
    working = name;
    if (shown) await redraw();
  } catch (error) {
    if (mine !== changes) return;
    // Without a network, for example: what has drawn goes on drawing.
    fail(error, () => changePreset(name));
    offer(working);
    load(working);
  }
}

// ---- photos ----

async function takePhoto(file) {
  if (!file) return;
  begun = true;
  const mine = ++coming;
  settle();
  stopCamera();
  try {
    busy(say("reading_photo"));
    const { photo, from } = await openPhoto(file);
    if (mine !== coming) return photo.close();
    showPhoto({ photo, from, mirrored: false });
  } catch (error) {
    if (mine !== coming) return;
    if (document.body.dataset.mode === "live") enter("welcome");
    fail(error);
  }
}

function showPhoto(next) {
  forgetPhoto();
  shown = { ...next, drawing: null };
  enter("photo");
  return redraw(true);
}

/** Shows copies, since the view lets go of what it has shown; nothing where something newer came. */
async function present({ photo, mirrored }, drawn, mine) {
  const copies = await Promise.all([photo, drawn].map((each) => each && createImageBitmap(each)));
  if (mine === turn) view.show(...copies, mirrored);
  else for (const copy of copies) copy?.close();
  return mine === turn;
}

async function redraw(isNew = false) {
  const mine = ++turn;
  const about = shown;
  settle();
  try {
    if (isNew) {
      get("save").disabled = get("share").disabled = true;
      tell("");
      get("remarks").textContent = "";
      await present(about, null, mine);
    }
    await patiently(ready());
    if (mine !== turn) return;
    busy(say("drawing"));
    const asked = performance.now();
    const answer = await drawing.draw(await createImageBitmap(about.photo), options());
    if (mine !== turn) return answer.drawing.close();
    about.drawing?.close();
    about.drawing = answer.drawing;
    // A drawing of the face alone has another shape than the photo: there is nothing to compare.
    const alone = chosen("part") === "crop";
    get("slider").hidden = alone;
    if (!await present({ ...about, photo: alone ? answer.drawing : about.photo }, answer.drawing, mine)) return;
    busy("");
    get("save").disabled = get("share").disabled = false;
    if (isNew && !alone) view.reveal();
    get("remarks").textContent = remarks(answer, about, (performance.now() - asked) / 1000);
  } catch (error) {
    if (mine === turn) fail(error, error.code === "no-face" ? null : drawAgain);
  }
}

async function drawAgain() {
  load(chosen("preset"));
  if (shown) await redraw();
}

function remarks({ faces, turn: turned }, { from, photo }, seconds) {
  const words = { faces, seconds: number(seconds, 1) };
  const lines = [say(faces > 1 ? "drawn_more" : "drawn_one", words)];
  if (turned) lines.push(say("turned"));
  if (from) {
    const to = number((photo.width * photo.height) / MEGA, 0);
    lines.push(say("reduced", { from: number(from / MEGA, 0), to }));
  }
  return lines.join(" ");
}

function options() {
  const part = chosen("part");
  return {
    style: chosen("style"),
    faces: get("all-faces").checked ? "all" : "largest",
    crop: part === "crop",
    whole: part === "whole",
    background: get("keep-background").checked ? "keep" : "white",
  };
}

async function kept(work) {
  try {
    const file = await fileOf(shown.drawing, shown.mirrored);
    await work(file);
  } catch (error) {
    console.warn(error);
    fail({ code: "save" });
  }
}

// ---- the camera ----

async function openCamera(open = () => camera.open()) {
  begun = true;
  settle();
  tell("");
  turn += 1;
  coming += 1;
  const mine = ++liveRun;
  try {
    busy(say("waiting_camera"));
    await open();
    if (mine !== liveRun) return;
    forgetPhoto();
    enter("live");
    get("slider").hidden = false;
    view.part(0);
    get("flip").hidden = !(await camera.hasOther());
    if (mine !== liveRun) return;
    drawing.reset();
    await mirrorUntil(patiently(ready()), mine);
    await live(mine);
  } catch (error) {
    if (mine !== liveRun) return;
    stopCamera();
    if (document.body.dataset.mode === "live") enter("welcome");
    fail(error, HOPELESS.includes(error.code) ? null : () => {
      if (!String(error.code).startsWith("camera-")) load(chosen("preset"));
      openCamera();
    });
  }
}

/** Shows the camera as it is while what draws is being loaded. */
async function mirrorUntil(loading, mine) {
  let isOver = false;
  const over = loading.finally(() => {
    isOver = true;
  });
  over.catch(() => {});
  while (!isOver && mine === liveRun && camera.isOpen) {
    const photo = await camera.next();
    if (photo && !isOver && mine === liveRun) view.show(photo, null, isMirrored());
    else photo?.close();
  }
  await over;
}

async function live(mine) {
  const rate = new Rate((text) => {
    get("rate").textContent = text;
  });
  while (mine === liveRun) {
    const drawsNow = loaded;
    await ready();
    const photo = await camera.next();
    if (drawsNow !== loaded) {
      photo?.close(); // its preset, or that one's styles, may not be there in the end
      continue;
    }
    if (!photo || document.hidden) {
      photo?.close();
      if (!camera.isOpen) return;
      await new Promise((resume) => setTimeout(resume, 100));
      continue;
    }
    const asked = performance.now();
    const faces = get("all-faces").checked ? MOST_FACES : 1;
    const answer = await drawing.frame(photo, { style: chosen("style"), faces });
    if (mine !== liveRun) return;
    view.show(answer.photo, answer.drawing, isMirrored());
    tell(answer.faces ? "" : say("looking_for_face"));
    rate.count(performance.now() - asked);
  }
}

const isMirrored = () => camera.facing === "user" && get("mirror").checked;

function stopCamera() {
  liveRun += 1;
  camera.close();
}

function forgetPhoto() {
  shown?.photo.close();
  shown?.drawing?.close();
  shown = null;
}

async function takePicture() {
  if (!camera.isOpen) return;
  const mine = liveRun;
  const photo = await camera.take();
  if (mine !== liveRun) return photo.close();
  const mirrored = isMirrored();
  stopCamera();
  showPhoto({ photo, from: null, mirrored });
}

// ---- buttons ----

function listen() {
  const press = (id, work) => get(id).addEventListener("click", () => work());
  press("use-camera", openCamera);
  press("again", openCamera);
  press("take", takePicture);
  press("flip", () => openCamera(() => camera.flip()));
  press("close-camera", () => {
    stopCamera();
    busy("");
    tell("");
    enter("welcome");
  });
  press("example", async () => takePhoto(await (await fetch("example.jpg")).blob()));
  press("save", () => kept((file) => {
    download(file);
    get("remarks").textContent = say("saved", { name: file.name });
  }));
  press("share", () => kept(share));
  for (const button of document.querySelectorAll(".choose")) button.addEventListener("click", () => get("file").click());
  get("file").addEventListener("change", () => {
    takePhoto(get("file").files[0]);
    get("file").value = ""; // so that the same photo can be chosen again
  });
  get("preset").addEventListener("change", () => changePreset(chosen("preset")));
  for (const id of ["style", "part", "all-faces", "keep-background"]) {
    get(id).addEventListener("change", () => shown && redraw());
  }
  addEventListener("dragover", (event) => event.preventDefault());
  addEventListener("drop", (event) => {
    event.preventDefault();
    takePhoto(pictureOf(event.dataTransfer));
  });
  addEventListener("paste", (event) => takePhoto(pictureOf(event.clipboardData)));
  camera.onlost = () => {
    stopCamera();
    enter("welcome");
    fail({ code: "camera-lost" }, openCamera);
  };
}

async function start() {
  await loadTexts();
  if (!canDraw()) {
    get("old").hidden = false;
    get("actions").hidden = get("settings").hidden = true;
    return;
  }
  get("share").hidden = !canShare();
  offerInstalling(get("install"));
  const answer = await fetch("models/index.json");
  presets = (await answer.json()).presets.map((preset) => ({
    ...preset,
    title: knows(`preset.${preset.name}`) ? say(`preset.${preset.name}`) : preset.name,
  }));
  presetCards(get("preset"), presets);
  styleChips(get("style"), presets[0].styles);
  listen();
  document.body.dataset.ready = "page";
  await lookAfter(() => document.body.dataset.mode === "welcome" && !begun);
  working = presets[0].name;
  await load(working);
  document.body.dataset.ready = "drawing";
  watchForNews((apply) => {
    get("update").hidden = false;
    get("reload").addEventListener("click", apply);
  });
}

start().catch((error) => fail(error.code ? error : { code: "no-runtime" }, () => location.reload()));
