import { expect, it } from "vitest";
import { describePeerChannel } from "./peer-channel-contract.ts";
import { createPeerChannels, openPortChannel } from "../std/index.ts";

describePeerChannel("a pair in memory", async () => createPeerChannels());
describePeerChannel("message ports", async () => {
  const { port1, port2 } = new MessageChannel();
  return [openPortChannel(port1), openPortChannel(port2)];
});

it("a port that brings something else than bytes brings nothing", async () => {
  const { port1, port2 } = new MessageChannel();
  const channel = openPortChannel(port2);
  const heard: unknown[] = [];
  const arrived = new Promise<void>((resolve) => {
    channel.onMessage((message) => {
      heard.push(...message);
      resolve();
    });
  });
  for (const junk of ["text", 7, { length: 3 }, [1, 2], undefined, new ArrayBuffer(4)])
    port1.postMessage(junk);
  port1.postMessage(Uint8Array.of(9));
  await arrived;
  expect(heard).toEqual([9]);
  channel.close();
  port1.close();
});
