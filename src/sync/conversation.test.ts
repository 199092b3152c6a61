import { expect, it } from "vitest";
import { createMemoryStorage } from "../store/index.ts";
import { Conversation } from "./conversation.ts";
import { createMemoryTransport } from "./memory-transport.ts";
import { createModelRelay } from "./model-relay.ts";
import { createFixture, createTestWorld } from "./sync-fixture.ts";
import type { LiveConnection } from "./transport.ts";

it("closes a live connection that opens when nobody wants it any more, and sends nothing over it", async () => {
  const { crypto, signer, tenantId } = await createFixture();
  const relay = await createModelRelay(crypto, tenantId, { hasLive: true });
  const { http } = createMemoryTransport(relay);
  const { env } = createTestWorld();
  const happened: string[] = [];
  const connection: LiveConnection = {
    send: () => void happened.push("sent"),
    close: () => void happened.push("closed"),
  };
  let open: () => void = () => undefined;
  let asked: () => void = () => undefined;
  const isAsked = new Promise<void>((resolve) => {
    asked = resolve;
  });
  // Opening it cannot be stopped, as with a socket whose handshake is under way.
  const live = {
    open: (): Promise<LiveConnection> => {
      asked();
      return new Promise((resolve) => {
        open = () => resolve(connection);
      });
    },
  };
  const store = await createMemoryStorage(env).openStore("tenant");
  const { signal: lost } = new AbortController();
  const conversation = new Conversation(
    { env, crypto, store, transport: { http, live }, tenantId, signer, mode: "live", lost },
    { onCycleEnded: () => undefined },
  );
  conversation.tell({ kind: "start" });
  await isAsked;
  conversation.tell({ kind: "stop" });
  await conversation.settled();
  open();
  await expect.poll(() => happened).toEqual(["closed"]);
  await conversation.settled();
  expect(happened).toEqual(["closed"]);
});
