import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { openCofferWith } from "./coffer.ts";
import { followOutbox } from "./install.ts";
import { createWorld, settle, type FakeWorld } from "./worker-fixtures.ts";
import type { Coffer, Tenant } from "./types.ts";
import { signal } from "@preact/signals-core";

const url = "https://sync.example";
const key = `B${"A".repeat(86)}`;
const keyBytes = Uint8Array.of(4, ...new Uint8Array(64));

/** A browser's push service. */
class AddressBook {
  subscription: object | null = null;
  asked: object[] = [];
  ended = 0;
  failure: Error | undefined;
  async getSubscription(): Promise<object | null> {
    return this.subscription;
  }
  async subscribe(options: { applicationServerKey: string }): Promise<object> {
    if (this.failure !== undefined) throw this.failure;
    this.asked.push(options);
    this.subscription = this.made(keyBytes);
    return this.subscription;
  }
  made(applicationServerKey: Uint8Array | null): object {
    return {
      endpoint: `https://push.example/${this.asked.length}`,
      options: { applicationServerKey: applicationServerKey?.buffer ?? null },
      unsubscribe: async () => {
        this.ended += 1;
        this.subscription = null;
      },
    };
  }
}

let world: FakeWorld;
let coffer: Coffer;
let tenant: Tenant;
let manager: AddressBook;

function pretend(serviceWorker: object | undefined): void {
  vi.stubGlobal("navigator", { serviceWorker });
}

beforeEach(async () => {
  world = createWorld();
  coffer = await openCofferWith(world);
  tenant = await coffer.openTenant("acme", { password: "secret" });
  manager = new AddressBook();
  pretend({ getRegistration: async () => ({ pushManager: manager }) });
});
afterEach(async () => {
  vi.unstubAllGlobals();
  await coffer.close();
});

const told = (): readonly string[] => world.calls.filter((call) => call.startsWith("setPushEndpoint"));

it("asks the browser for an address under the server's key, and tells the server", async () => {
  await tenant.setWebPush(url);
  expect(manager.asked).toEqual([{ userVisibleOnly: true, applicationServerKey: key }]);
  expect(told()).toEqual([`setPushEndpoint("t1", "${url}", "https://push.example/1")`]);
});

it("tells again what there is, without another question to the user; a key of another server is exchanged", async () => {
  await tenant.setWebPush(url);
  await tenant.setWebPush(url);
  expect(manager.asked).toHaveLength(1);
  expect(told()).toHaveLength(2);
  manager.subscription = manager.made(keyBytes.map((byte) => byte ^ 1));
  await tenant.setWebPush(url);
  expect([manager.ended, manager.asked.length]).toEqual([1, 2]);
  manager.subscription = manager.made(null);
  await tenant.setWebPush(url);
  expect([manager.ended, manager.asked.length]).toEqual([2, 3]);
});

it("takes it back at the server alone: others may be woken by the same address", async () => {
  await tenant.setWebPush(url);
  await tenant.setWebPush(url, false);
  expect(told().at(-1)).toBe(`setPushEndpoint("t1", "${url}", null)`);
  expect(manager.ended).toBe(0);
});

it("says what is missing: permission, a push service, a service worker, push", async () => {
  manager.failure = Object.assign(new Error("no"), { name: "NotAllowedError" });
  await expect(tenant.setWebPush(url)).rejects.toMatchObject({ code: "access/denied" });
  manager.failure = Object.assign(new Error("no"), { name: "AbortError" });
  await expect(tenant.setWebPush(url)).rejects.toMatchObject({ code: "net/failed" });
  for (const serviceWorker of [
    { getRegistration: async () => undefined },
    { getRegistration: async () => ({}) },
    undefined,
  ]) {
    pretend(serviceWorker);
    await expect(tenant.setWebPush(url)).rejects.toMatchObject({ code: "input/unknown-id" });
  }
  expect(told()).toEqual([]);
});

it("has installed applications sync now and then, where the browser does that", async () => {
  const asked: unknown[] = [];
  const install = async (periodicSync: object | undefined): Promise<string> => {
    const registration = { periodicSync };
    pretend({ register: async () => registration, ready: Promise.resolve(registration) });
    const status = signal<"none" | "registering" | "active" | "failed">("registering");
    followOutbox("https://app.example/sw.js", status);
    await settle();
    return status.value;
  };
  const register = async (...given: readonly unknown[]): Promise<void> => void asked.push(given);
  expect(await install({ register })).toBe("active");
  expect(asked).toEqual([["coffer-sync", { minInterval: 6 * 60 * 60 * 1000 }]]);
  expect(await install(undefined)).toBe("active");
  const refuse = (): Promise<void> => Promise.reject(new Error("NotAllowedError"));
  expect(await install({ register: refuse })).toBe("active");
});
