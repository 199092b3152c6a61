/** The suite that every transport passes, in every place it runs. */
import { describe, expect, it } from "vitest";
import { bytesToId, concatBytes } from "../std/index.ts";
import type { Transport } from "./transport.ts";

/** A transport over a server that echoes, and the ways to make that server misbehave. */
export interface TransportBench {
  readonly transport: Transport;
  /** The next exchange is answered with this many bytes, one by one chunk of them. */
  answerWith(sizeBytes: number): void;
  /** The next exchange never gets an answer. */
  answerNever(): void;
  close(): Promise<void>;
}

const tenantId = bytesToId("TenantId", new Uint8Array(32));
const token = new Uint8Array(32);

/** Declare the tests of the transport contract; the server answers an exchange with the bytes it got. */
export function describeTransport(name: string, open: () => Promise<TransportBench>): void {
  const exchange = async (
    bench: TransportBench,
    body: Uint8Array<ArrayBuffer>,
    signal?: AbortSignal,
  ): Promise<Uint8Array> => {
    const chunks: Uint8Array[] = [];
    await bench.transport.http.exchange({
      tenantId,
      token,
      body,
      onChunk: (chunk) => void chunks.push(chunk),
      signal,
    });
    return concatBytes(...chunks);
  };
  describe(`transport: ${name}`, () => {
    it("T1 bytes come out as they went in, in order", async () => {
      const bench = await open();
      const body = Uint8Array.from({ length: 100_000 }, (_, n) => (n * 31) & 255);
      expect(await exchange(bench, body)).toEqual(body);
      bench.answerWith(250_000);
      expect((await exchange(bench, body)).length).toBe(250_000);
      await bench.close();
    });

    it("T2 what the owner throws while reading comes out of the exchange", async () => {
      const bench = await open();
      const onChunk = (): never => {
        throw new RangeError("enough");
      };
      await expect(
        bench.transport.http.exchange({ tenantId, token, body: new Uint8Array(9), onChunk }),
      ).rejects.toThrow();
      await bench.close();
    });

    it("T2, T3 an aborted exchange settles as aborted and delivers nothing", async () => {
      const bench = await open();
      bench.answerNever();
      const abort = new AbortController();
      const pending = exchange(bench, new Uint8Array(9), abort.signal);
      setTimeout(() => abort.abort(), 5);
      await expect(pending).rejects.toMatchObject({ code: "aborted" });
      await expect(exchange(bench, new Uint8Array(9), abort.signal)).rejects.toMatchObject({
        code: "aborted",
      });
      await bench.close();
    });
  });
}
