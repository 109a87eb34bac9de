// Keeps the page's files, so that it works without a network. `portrait web` writes the list.
"use strict";
const SITE = /* SITE */ {};
const SCOPE = new URL("./", self.location).href;
// One host may have several such pages, which share the browser's caches.
const PREFIX = `portrait ${SCOPE} `;
const CACHE = PREFIX + SITE.version;
// Names of the page's files by address. What else lies below the page is not its own.
const NAMES = new Map(Object.keys(SITE.files).map((name) => [new URL(SCOPE + name).href, name]));
NAMES.set(SCOPE, "index.html");

function nameOf({ url }) {
  const address = new URL(url);
  address.hash = address.search = "";
  return NAMES.get(address.href);
}

// Where a cache keeps the SHA-256 of the files in it; the page has no such file.
const HASHES = SCOPE + "hashes";

self.addEventListener("install", (event) => event.waitUntil(install()));

// What an earlier version has kept and is still the same is taken from there, such as the runtime.
async function install() {
  const cache = await caches.open(CACHE);
  const former = await formerCache();
  const hashes = await former?.match(HASHES).then((answer) => answer?.json()) || {};
  const kept = await former?.keys() || [];
  const names = new Set([...SITE.shell, ...kept.map(nameOf).filter(Boolean)]);
  await Promise.all([...names].map(async (name) => {
    const same = hashes[name] === SITE.files[name] && await former.match(SCOPE + name);
    // Not from the browser's own cache, which may hold an older version.
    if (same) await cache.put(SCOPE + name, same);
    else await cache.add(new Request(SCOPE + name, { cache: "no-cache" }));
  }));
  await cache.put(HASHES, new Response(JSON.stringify(SITE.files)));
}

async function formerCache() {
  const names = await caches.keys();
  const former = names.filter((name) => name.startsWith(PREFIX) && name !== CACHE).pop();
  return former && caches.open(former);
}

self.addEventListener("activate", (event) => {
  event.waitUntil((async () => {
    for (const name of await caches.keys()) {
      if (name.startsWith(PREFIX) && name !== CACHE) await caches.delete(name);
    }
    await self.clients.claim();
  })());
});

self.addEventListener("message", (event) => {
  if (event.data === "take over") self.skipWaiting();
});

self.addEventListener("fetch", (event) => {
  const name = event.request.method === "GET" && nameOf(event.request);
  if (name) event.respondWith(answer(event.request, name));
});

async function answer(request, name) {
  const cache = await caches.open(CACHE);
  const kept = await cache.match(SCOPE + name);
  if (kept) return isolated(kept);
  const fetched = await fetch(request);
  if (fetched.status === 200 && fetched.type === "basic") {
    cache.put(SCOPE + name, fetched.clone()).catch(() => {});
  }
  return isolated(fetched);
}

// Pages and workers with these headers may share memory, which is what threads need; and workers have
// the page's policy, also those that start another worker.
function isolated(response) {
  if (!response.ok || !/html|javascript/.test(response.headers.get("Content-Type") || "")) return response;
  const headers = new Headers(response.headers);
  headers.set("Cross-Origin-Opener-Policy", "same-origin");
  headers.set("Cross-Origin-Embedder-Policy", "require-corp");
  headers.set("Content-Security-Policy", SITE.policy);
  return new Response(response.body, { status: response.status, statusText: response.statusText, headers });
}
