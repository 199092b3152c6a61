import { afterEach, expect, it } from "vitest";
import {
  bring,
  entryHashOf,
  eventually,
  reopen,
  setStage,
  tenantOf,
  valueOf,
} from "../../worker/attack-fixtures.ts";
import { closeDevices, people } from "../../worker/device-fixtures.ts";
import { CofferError } from "../std/index.ts";
import type { Storage, Store } from "../store/index.ts";

afterEach(closeDevices);

/** A storage whose stores fail to read records as often as they are told to. */
function createFailing(storage: Storage): { readonly storage: Storage; failures: number } {
  const failing = {
    failures: 0,
    storage: {
      ...storage,
      openStore: async (name: string): Promise<Store> => {
        const store = await storage.openStore(name);
        return new Proxy(store, {
          get(target, key) {
            const value: unknown = Reflect.get(target, key, target);
            if (typeof value !== "function") return value;
            return (...given: unknown[]): unknown => {
              if (key !== "readRecords" || failing.failures === 0)
                return Reflect.apply(value, target, given) as unknown;
              failing.failures -= 1;
              return Promise.reject(new CofferError("store/failed"));
            };
          },
        });
      },
    } satisfies Storage,
  };
  return failing;
}

it("judges what waited once what it waited for is here, even when it cannot be read at once", async () => {
  const stage = await setStage();
  const { villain: author } = stage;
  const failing = createFailing(stage.victim.storage);
  const replica = await reopen({ ...stage.victim, storage: failing.storage }, people.userPassword);
  const writerNonce = author.nonce();
  const made = author.create(writerNonce, 0, { name: "theirs" });
  const creation = await author.seal({ writerNonce, entries: [made.entry] });
  const edit = author.edit([made.change], {
    docId: made.docId,
    writerNonce,
    operations: [{ op: "set", path: ["name"], value: "edited" }],
    dependencies: [entryHashOf(creation)],
  });
  const edited = await author.seal({
    writerNonce,
    writerSeq: 2,
    predecessors: [creation.commitHash],
    entries: [edit.entry],
  });
  await bring(replica, [edited]);
  await eventually(() => tenantOf(replica)?.status.unjudgedCount).toBe(1);
  failing.failures = 1;
  await bring(replica, [creation]);
  await eventually(() => failing.failures).toBe(0);
  await eventually(() => tenantOf(replica)?.status.unjudgedCount).toBe(0);
  expect(await valueOf(replica, made.docId)).toEqual({ name: "edited" });
});

it("judges what came through its own store without reading the log for it", async () => {
  const stage = await setStage();
  const { victim, villain: author } = stage;
  let open: () => void = () => undefined;
  let gate = Promise.resolve();
  let opened: Store | undefined;
  const storage: Storage = {
    ...victim.storage,
    openStore: async (name) => {
      const store = await victim.storage.openStore(name);
      const watched = new Proxy(store, {
        get(target, key) {
          const value: unknown = Reflect.get(target, key, target);
          if (typeof value !== "function") return value;
          return (...given: unknown[]): unknown =>
            key === "readLog"
              ? gate.then(() => Reflect.apply(value, target, given) as unknown)
              : (Reflect.apply(value, target, given) as unknown);
        },
      });
      if (name === `coffer/tenant/${victim.tenantId}`) opened = watched;
      return watched;
    },
  };
  const replica = await reopen({ ...victim, storage }, people.userPassword);
  const writerNonce = author.nonce();
  const made = author.create(writerNonce, 0, { name: "theirs" });
  const { bytes, commitHash } = await author.seal({ writerNonce, entries: [made.entry] });
  gate = new Promise((resolve) => {
    open = resolve;
  });
  await opened?.write({ records: [{ bytes: new Uint8Array(bytes), commitHash, origin: "server" }] });
  await expect
    .poll(() => replica.device.api.documentIds(replica.database), { timeout: 60_000 })
    .toContain(made.docId);
  open();
});
