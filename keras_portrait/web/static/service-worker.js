// Keeps the page's files, so that it works without a network. `portrait web` writes the list.
"use strict";
const SITE = /* SITE */ {};
const SCOPE = new URL("./", self.location).href;
// One host may have several such pages, which share the browser's caches.
const PREFIX = `portrait ${SCOPE} `;
const CACHE = PREFIX + SITE.version;
const here = (request) => request.method === "GET" && request.url.startsWith(SCOPE);

self.addEventListener("install", (event) => {
  event.waitUntil((async () => {
    const cache = await caches.open(CACHE);
    // Not from the browser's own cache, which may hold an older version of some.
    await cache.addAll(SITE.shell.map((name) => new Request(SCOPE + name, { cache: "no-cache" })));
    await keepUnchanged(cache);
  })());
});

// What an earlier version has kept beyond the shell, such as the runtime, is fetched anew only where
// it is another file now.
async function keepUnchanged(cache) {
  for (const name of await caches.keys()) {
    if (name === CACHE || !name.startsWith(PREFIX)) continue;
    for (const request of await (await caches.open(name)).keys()) {
      if (await cache.match(request)) continue;
      try {
        const answer = await fetch(new Request(request.url, { cache: "no-cache" }));
        if (answer.ok) await cache.put(request.url, answer);
      } catch { /* it is fetched when it is needed */ }
    }
  }
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
  if (here(event.request)) event.respondWith(answer(event.request));
});

async function answer(request) {
  const address = new URL(request.url);
  address.hash = address.search = "";
  const kept = await caches.open(CACHE).then((cache) => cache.match(
    address.href === SCOPE ? SCOPE + "index.html" : address.href,
  ));
  if (kept) return isolated(kept);
  const fetched = await fetch(request);
  if (fetched.status === 200 && fetched.type === "basic") {
    const copy = fetched.clone();
    caches.open(CACHE).then((cache) => cache.put(address.href, copy)).catch(() => {});
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
