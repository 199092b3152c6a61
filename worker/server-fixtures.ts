/** A sync server for tests of the worker's calls, on a folder that goes with it. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach } from "vitest";
import { WebSocket as NodeWebSocket } from "ws";
import { startServer, type RunningServer } from "../server/src/index.ts";
import { closeDevices } from "./device-fixtures.ts";

// Node 20 has no WebSocket of its own.
globalThis.WebSocket ??= NodeWebSocket as unknown as typeof WebSocket;

/** The server of the test that runs. */
export interface TestServer {
  readonly url: string;
  readonly dataFolder: string;
  /** Stop it; its folder stays. */
  stop(): Promise<void>;
  /** Start it again at the same address. */
  start(): Promise<void>;
}

/** Give every test of a file a server of its own; when the test is over, its devices are closed first. */
export function serveEachTest(): TestServer {
  let dataFolder = "";
  let url = "";
  let running: RunningServer | undefined;
  const stop = async (): Promise<void> => {
    await running?.close();
    running = undefined;
  };
  beforeEach(async () => {
    dataFolder = await mkdtemp(join(tmpdir(), "coffer-test-"));
    running = await startServer({ dataFolder, port: 0 });
    ({ url } = running);
  });
  afterEach(async () => {
    await closeDevices();
    await stop();
    await rm(dataFolder, { recursive: true, force: true });
  });
  return {
    get url() {
      return url;
    },
    get dataFolder() {
      return dataFolder;
    },
    stop,
    async start() {
      running = await startServer({ dataFolder, port: Number(new URL(url).port) });
    },
  };
}
