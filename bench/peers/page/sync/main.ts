/** What the runner asks one of two pages to do, as `window.bench`. Each peer is a chunk of its own. */
import { createWallClock } from "../../../page/wall-clock.ts";
import { makeTasks } from "../tasks.ts";
import type { SyncBench } from "./sync-bench.ts";
import type { FoundedTasks, SyncedTasks, SyncPeer } from "./sync-peer.ts";

const peers: Record<string, () => Promise<{ readonly peer: SyncPeer }>> = {
  coffer: async () => import("./coffer.ts"),
  yjs: async () => import("./yjs.ts"),
  tinybase: async () => import("./tinybase.ts"),
  "automerge-repo": async () => import("./automerge-repo.ts"),
  "automerge-document": async () => import("./automerge-document.ts"),
  rxdb: async () => import("./rxdb.ts"),
  pouchdb: async () => import("./pouchdb.ts"),
  evolu: async () => import("./evolu.ts"),
  jazz: async () => import("./jazz.ts"),
};

async function loadPeer(name: string): Promise<SyncPeer> {
  const load = peers[name];
  if (load === undefined) throw new Error(`No peer is called ${name}`);
  return (await load()).peer;
}

let founded: FoundedTasks | undefined;
let tasks: SyncedTasks | undefined;
const wallMs = createWallClock();

function required<T>(value: T | undefined): T {
  if (value === undefined) throw new Error("The steps came out of order");
  return value;
}

const bench: SyncBench = {
  async found(peerName, place) {
    tasks = founded = await (await loadPeer(peerName)).found(place);
  },
  async ask(peerName, place) {
    return (await (await loadPeer(peerName)).ask?.(place)) ?? "";
  },
  invite: async (request) => required(founded).invite(request),
  async join(peerName, place, invitation) {
    tasks = await (await loadPeer(peerName)).join(place, invitation);
  },
  async add(count, seed) {
    const made = makeTasks(count, seed);
    const beganAtMs = wallMs();
    await required(tasks).add(made);
    return beganAtMs;
  },
  async until(count) {
    await required(tasks).until(count);
    return wallMs();
  },
  plainBytes: (count, seed) => new TextEncoder().encode(JSON.stringify(makeTasks(count, seed))).length,
  async close() {
    await tasks?.close();
    tasks = founded = undefined;
  },
};

Object.assign(window, { bench });
