/**
 * Every number that a bench gives, with its bar and its goal.
 *
 * The bar is what this stage of the product must hold; the goal is where the design says it can go. `bytes` and `count` are exact
 * and guarded by `--check`; `ratio` holds on any machine; `time` is a note about this one.
 *
 * @typedef {"time" | "ratio" | "bytes" | "count"} Kind
 * @typedef {{ name: string, label: string, unit: string, kind: Kind, bar?: number, goal?: number }} Metric
 */

/** @type {readonly Metric[]} */
export const metrics = [
  {
    name: "import.ratio",
    label: "time against Dexie's bulkAdd in plain text",
    unit: "×",
    kind: "ratio",
    bar: 6,
    goal: 0.15,
  },
  {
    name: "import.perDocument",
    label: "one document, through the public API",
    unit: "µs",
    kind: "time",
    goal: 40,
  },
  { name: "import.dexie", label: "one row, Dexie", unit: "µs", kind: "time" },
  { name: "import.total", label: "10,000 documents", unit: "ms", kind: "time", goal: 400 },
  { name: "import.record", label: "stage: the page records a value", unit: "µs", kind: "time" },
  {
    name: "import.message",
    label: "stage: messages to the worker and back",
    unit: "µs",
    kind: "time",
    goal: 5,
  },
  { name: "import.encode", label: "stage: ids and Automerge's change", unit: "µs", kind: "time", goal: 5 },
  { name: "import.seal", label: "stage: seal", unit: "µs", kind: "time", goal: 7 },
  { name: "import.hash", label: "stage: hash", unit: "µs", kind: "time", goal: 3 },
  { name: "import.sign", label: "stage: sign", unit: "µs", kind: "time", goal: 0.2 },
  { name: "import.store", label: "stage: store", unit: "µs", kind: "time", goal: 10 },
  { name: "import.rest", label: "all else: catalog, queue, waiting", unit: "µs", kind: "time" },
  { name: "import.wasm", label: "Automerge's start, once for a worker", unit: "ms", kind: "time" },
  { name: "import.bytes", label: "a document in its commit", unit: "B", kind: "bytes" },

  { name: "edit.shown", label: "shown on the page", unit: "ms", kind: "time", bar: 5, goal: 1 },
  { name: "edit.durable", label: "durable, without a server", unit: "ms", kind: "time", bar: 10, goal: 2 },
  {
    name: "edit.durableLive",
    label: "durable, while syncing live",
    unit: "ms",
    kind: "time",
    bar: 10,
    goal: 2,
  },
  { name: "edit.seen", label: "seen on another device", unit: "ms", kind: "time", bar: 100, goal: 50 },
  { name: "edit.sent", label: "bodies sent for one edit", unit: "B", kind: "bytes" },

  {
    name: "reopen.afterKey",
    label: "from the derived key to rows on screen",
    unit: "ms",
    kind: "time",
    bar: 1000,
    goal: 300,
  },
  { name: "reopen.whole", label: "from navigation to rows on screen", unit: "ms", kind: "time" },
  { name: "reopen.key", label: "key from the password (Argon2id), alone", unit: "ms", kind: "time" },
  { name: "reopen.openCoffer", label: "openCoffer", unit: "ms", kind: "time" },
  { name: "reopen.openTenant", label: "openTenant, with the key", unit: "ms", kind: "time" },
  { name: "reopen.openDatabase", label: "openDB", unit: "ms", kind: "time" },
  { name: "reopen.firstRows", label: "query to first rows, painted", unit: "ms", kind: "time" },
  { name: "reopen.allCounted", label: "query until all are counted", unit: "ms", kind: "time" },

  { name: "idle.requests", label: "by requests: requests", unit: "", kind: "count", bar: 1, goal: 1 },
  { name: "idle.bodyDown", label: "by requests: body down", unit: "B", kind: "bytes", bar: 512, goal: 256 },
  { name: "idle.bodyUp", label: "by requests: body up", unit: "B", kind: "bytes" },
  { name: "idle.linkDown", label: "by requests: bytes down, as the link says", unit: "B", kind: "bytes" },
  { name: "idle.sync", label: "by requests: one cycle", unit: "ms", kind: "time" },
  {
    name: "idle.liveRequests",
    label: "live socket: requests beside it",
    unit: "",
    kind: "count",
    bar: 1,
    goal: 0,
  },
  { name: "idle.liveDown", label: "live socket: bytes down", unit: "B", kind: "bytes", bar: 512, goal: 256 },
  { name: "idle.liveUp", label: "live socket: bytes up", unit: "B", kind: "bytes" },
  { name: "idle.liveSync", label: "live socket: one cycle", unit: "ms", kind: "time" },
  {
    name: "idle.resumeRequests",
    label: "after a reload: requests until complete",
    unit: "",
    kind: "count",
    goal: 1,
  },
  { name: "idle.resumeDown", label: "after a reload: body down", unit: "B", kind: "bytes" },

  {
    name: "blocking.longestTask",
    label: "longest task (0: none over 50 ms)",
    unit: "ms",
    kind: "time",
    bar: 50,
    goal: 0,
  },
  { name: "blocking.longTasks", label: "tasks over 50 ms", unit: "", kind: "time", bar: 0, goal: 0 },
  {
    name: "blocking.longestDelay",
    label: "latest timer, other processes included",
    unit: "ms",
    kind: "time",
  },
  { name: "blocking.total", label: "10,000 documents with a live list on screen", unit: "ms", kind: "time" },

  {
    name: "sizes.page",
    label: "page: API, signals, Comlink; gzip",
    unit: "B",
    kind: "bytes",
    bar: 15_000,
    goal: 15_000,
  },
  {
    name: "sizes.scriptTag",
    label: "page: the file for a script tag; gzip",
    unit: "B",
    kind: "bytes",
    bar: 15_000,
    goal: 15_000,
  },
  {
    name: "sizes.serviceWorker",
    label: "service worker without its file list; gzip",
    unit: "B",
    kind: "bytes",
    bar: 64_000,
  },
  {
    name: "sizes.demoServiceWorker",
    label: "the demo's service worker, likewise",
    unit: "B",
    kind: "bytes",
    bar: 64_000,
  },
  { name: "sizes.worker", label: "worker without the wasm; gzip", unit: "B", kind: "bytes" },
  { name: "sizes.wasm", label: "Automerge's wasm; gzip", unit: "B", kind: "bytes" },
  {
    name: "sizes.firstPaintWasm",
    label: "wasm files before the demo's first paint",
    unit: "",
    kind: "count",
    bar: 0,
    goal: 0,
  },
  {
    name: "sizes.firstPaintBytes",
    label: "the demo's page, style and script; gzip",
    unit: "B",
    kind: "bytes",
  },
  { name: "sizes.firstPaint", label: "the demo's first paint", unit: "ms", kind: "time", goal: 1000 },
];
