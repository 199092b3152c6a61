/** The suite that every peer channel passes, in every place it runs. */
import { describe, expect, it } from "vitest";
import { concatBytes, equalBytes } from "../std/index.ts";
import type { PeerChannel } from "../std/index.ts";

/** What arrives at an end, until so many bytes or its close. */
function readBytes(channel: PeerChannel, sizeBytes: number): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  return new Promise((resolve) => {
    channel.onMessage((part) => {
      // A copy: a carrier may use its memory again.
      parts.push(part.slice());
      if (parts.reduce((sum, { length }) => sum + length, 0) >= sizeBytes) resolve(concatBytes(...parts));
    });
    channel.onClose(() => resolve(concatBytes(...parts)));
  });
}

/** Declare the tests of the channel contract; `open` gives the two ends of a new connection. */
export function describePeerChannel(
  name: string,
  open: () => Promise<readonly [PeerChannel, PeerChannel]>,
): void {
  describe(`peer channel: ${name}`, () => {
    const body = (sizeBytes: number, seed: number): Uint8Array<ArrayBuffer> =>
      Uint8Array.from({ length: sizeBytes }, (_, n) => (n * 31 + seed) & 255);

    it("C1 bytes come out as they went in, in order, both ways, large ones too", async () => {
      const [a, b] = await open();
      const up = [body(1, 1), body(70_000, 2), body(300, 3), body(1_100_000, 4)];
      const down = [body(9, 5), body(200_000, 6)];
      const size = (all: readonly Uint8Array[]): number => all.reduce((sum, { length }) => sum + length, 0);
      const arrived = Promise.all([readBytes(b, size(up)), readBytes(a, size(down))]);
      for (const message of up) a.post(message);
      for (const message of down) b.post(message);
      const [there, here] = await arrived;
      expect(equalBytes(there, concatBytes(...up))).toBe(true);
      expect(equalBytes(here, concatBytes(...down))).toBe(true);
      a.close();
      b.close();
    });

    it("C1 what a caller does with its bytes after posting changes nothing, and a view carries only itself", async () => {
      const [a, b] = await open();
      const arrived = readBytes(b, 10);
      const whole = body(1000, 7);
      const view = whole.subarray(100, 110);
      const expected = view.slice();
      a.post(view);
      whole.fill(0);
      expect(await arrived).toEqual(expected);
      a.close();
    });

    it("C2 what arrives before anybody listens is kept", async () => {
      const [a, b] = await open();
      a.post(body(40, 1));
      a.post(body(40, 2));
      await new Promise((resolve) => setTimeout(resolve, 20));
      expect(await readBytes(b, 80)).toEqual(concatBytes(body(40, 1), body(40, 2)));
      a.close();
    });

    it("C3 the other end hears once of a close, after what was posted before it; the own one hears nothing", async () => {
      const [a, b] = await open();
      const heard: string[] = [];
      a.onMessage(() => heard.push("a message"));
      a.onClose(() => heard.push("a close"));
      b.onMessage((message) => heard.push(`b ${message.length}`));
      const closed = new Promise<void>((resolve) => {
        b.onClose(() => {
          heard.push("b close");
          resolve();
        });
      });
      a.post(body(5, 1));
      a.close();
      a.close();
      await closed;
      b.post(body(5, 2));
      b.close();
      await new Promise((resolve) => setTimeout(resolve, 20));
      expect(heard).toEqual(["b 5", "b close"]);
    });

    it("C4 posting after either end closed does nothing", async () => {
      const [a, b] = await open();
      a.close();
      expect(() => a.post(body(5, 1))).not.toThrow();
      await new Promise((resolve) => setTimeout(resolve, 20));
      expect(() => b.post(body(5, 1))).not.toThrow();
      b.close();
      expect(() => b.post(body(5, 1))).not.toThrow();
    });
  });
}
