/** Evolu: SQLite in the origin's private files, encrypted for its relay; the other device has the same owner. */
import {
  createAppOwner,
  createEvolu,
  Mnemonic,
  mnemonicToOwnerSecret,
  SimpleName,
  type AppOwner,
} from "@evolu/common";
import { evoluWebDeps } from "@evolu/web";
import { Schema, rowOf } from "../evolu-schema.ts";
import { socketUrl, untilHeard } from "./heard.ts";
import type { FoundedTasks, Place, SyncPeer } from "./sync-peer.ts";

async function openOwner({ name, serverUrl }: Place, externalAppOwner?: AppOwner): Promise<FoundedTasks> {
  const evolu = createEvolu(evoluWebDeps)(Schema, {
    name: SimpleName.orThrow(name),
    transports: [{ type: "WebSocket", url: socketUrl(serverUrl) }],
    ...(externalAppOwner === undefined ? {} : { externalAppOwner }),
  });
  const { mnemonic } = await evolu.appOwner;
  const counted = evolu.createQuery((db) =>
    db.selectFrom("task").select((select) => select.fn.countAll<number>().as("count")),
  );
  await evolu.loadQuery(counted);
  return {
    invite: async () => mnemonic ?? "",
    async add(tasks) {
      for (const task of tasks) evolu.insert("task", rowOf(task));
    },
    until: async (count) =>
      untilHeard(
        (heard) => evolu.subscribeQuery(counted)(heard),
        () => Number(evolu.getQueryRows(counted)[0]?.count ?? 0) >= count,
      ),
    // This version cannot be closed: the page's end does it.
    close: async () => undefined,
  };
}

export const peer: SyncPeer = {
  found: async (place) => openOwner(place),
  join: async (place, invitation) =>
    openOwner(place, createAppOwner(mnemonicToOwnerSecret(Mnemonic.orThrow(invitation)))),
};
