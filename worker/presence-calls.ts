/** The calls about who is here. */
import { CofferError, utf8ToBytes } from "../src/std/index.ts";
import { whisperLimits } from "../src/presence/index.ts";
import type { WorkerApi } from "./api.ts";
import type { WorkerHost } from "./host.ts";
import { readNatural } from "./page-messages.ts";

type PresenceCalls = Pick<WorkerApi, "openPresence" | "setPresence" | "broadcast" | "closePresence">;

/** Answer the calls about who is here. */
export function presenceCalls(host: WorkerHost): PresenceCalls {
  return {
    async openPresence(database, subscription) {
      const { session, database: source } = host.database(database);
      readNatural(subscription, "subscription");
      if (session.core.unlocked === undefined) throw new CofferError("access/locked");
      host.watched.set(subscription, session);
      session.links.presences.open(subscription, source);
    },

    async setPresence(subscription, state) {
      const read = state === undefined ? undefined : readJson(state, "state");
      host.watched.get(subscription)?.links.presences.set(subscription, read);
    },

    async broadcast(subscription, name, value) {
      if (typeof name !== "string" || name === "") throw new CofferError("input/invalid", { at: "name" });
      if (utf8ToBytes(name).length > whisperLimits.nameBytes)
        throw new CofferError("input/too-large", { at: "name" });
      const read = readJson(value, "value");
      host.watched.get(subscription)?.links.presences.broadcast(subscription, name, read);
    },

    async closePresence(subscription) {
      host.watched.get(subscription)?.links.presences.close(subscription);
      host.watched.delete(subscription);
    },
  };
}

/** Read a value as the JSON that it is. @throws `input/invalid` for what is none, `input/too-large` */
export function readJson(value: unknown, at: string): unknown {
  const text = textOf(value);
  if (text === undefined) throw new CofferError("input/invalid", { at });
  if (utf8ToBytes(text).length > whisperLimits.valueBytes) throw new CofferError("input/too-large", { at });
  return JSON.parse(text);
}

/** A text that is longer than any value is not made to its end: what is shared would make it endless. */
function textOf(value: unknown): string | undefined {
  let parts = 0;
  try {
    return JSON.stringify(value, (_key, part: unknown) => {
      parts += 1;
      if (parts > whisperLimits.valueBytes) throw new CofferError("input/too-large");
      return part;
    });
  } catch (error) {
    if (error instanceof CofferError) throw error;
    return undefined;
  }
}
