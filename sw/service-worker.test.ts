/** What a service worker does about a push message: one cycle of sync, then a notification unless somebody looks. */
import { beforeEach, expect, it, vi } from "vitest";
import { installCofferSync, syncTag } from "./service-worker.ts";

const { cycles } = vi.hoisted(() => ({ cycles: { count: 0, outcomes: [] as unknown[] } }));
vi.mock("./sync-tenants.ts", async (importOriginal) => ({
  ...(await importOriginal<object>()),
  syncTenants: async () => {
    cycles.count += 1;
    return cycles.outcomes;
  },
}));
beforeEach(() => {
  cycles.count = 0;
  cycles.outcomes = [];
});

type Listener = (event: object) => void;

function createScope(pages: readonly { readonly visibilityState: string }[]) {
  const listeners = new Map<string, Listener>();
  const shown: [string, NotificationOptions][] = [];
  const scope = {
    addEventListener: (name: string, listener: Listener) => void listeners.set(name, listener),
    clients: { matchAll: async ({ type }: { type: string }) => (type === "window" ? pages : []) },
    registration: {
      showNotification: async (title: string, options: NotificationOptions) =>
        void shown.push([title, options]),
    },
  };
  const fire = async (name: string, event: object = {}): Promise<void> => {
    const work: Promise<unknown>[] = [];
    listeners.get(name)?.({ ...event, waitUntil: (promise: Promise<unknown>) => void work.push(promise) });
    await Promise.all(work);
  };
  return { scope: scope as unknown as ServiceWorkerGlobalScope, shown, fire };
}

const notification = { title: "Films", body: "There may be something new.", icon: "icon.png" };

it("tells the user of a push message after it has synced, when no page is before them", async () => {
  const { fire, scope, shown } = createScope([{ visibilityState: "hidden" }]);
  installCofferSync(scope, { notification });
  await fire("push");
  expect(cycles.count).toBe(1);
  const { title, ...options } = notification;
  expect(shown).toEqual([[title, { tag: syncTag, ...options }]]);
});

it("tells them also when the server could not be reached: browsers demand it", async () => {
  const { fire, scope, shown } = createScope([]);
  cycles.outcomes = ["net/offline"];
  installCofferSync(scope, { notification });
  await fire("push");
  expect(shown).toHaveLength(1);
});

it("says nothing while a page is seen, nor where the application gave no text", async () => {
  const seen = createScope([{ visibilityState: "hidden" }, { visibilityState: "visible" }]);
  installCofferSync(seen.scope, { notification });
  await seen.fire("push");
  const silent = createScope([]);
  installCofferSync(silent.scope);
  await silent.fire("push");
  expect(cycles.count).toBe(2);
  expect([...seen.shown, ...silent.shown]).toEqual([]);
});

it("says nothing when it syncs for another reason", async () => {
  const { fire, scope, shown } = createScope([]);
  installCofferSync(scope, { notification });
  await fire("sync", { tag: syncTag });
  await fire("periodicsync", { tag: syncTag });
  await fire("message", { data: { type: syncTag } });
  expect(cycles.count).toBe(3);
  await fire("sync", { tag: "another" });
  expect(cycles.count).toBe(3);
  expect(shown).toEqual([]);
});
