/**
 * One live connection between a worker and the relay: messages take their time and keep their order, until either side, the
 * weather or a restart ends it.
 */
import type { LiveConnection, LiveListener } from "../sync/index.ts";
import type { TenantId } from "../std/index.ts";
import type { SimNetwork } from "./sim-network.ts";
import type { SimServer } from "./sim-server.ts";
import type { SimWorkerEnv } from "./sim-env.ts";

/** Between whom a connection is. */
export interface WireEnds {
  readonly network: SimNetwork;
  readonly worker: SimWorkerEnv;
  readonly server: SimServer;
  readonly listener: LiveListener;
}

/** Open a connection. What is sent once it is closed goes nowhere. */
export function openWire(
  { network, worker, server, listener }: WireEnds,
  tenantId: TenantId,
): LiveConnection {
  const { relay } = server;
  let isClientOpen = true;
  let isServerOpen = true;
  let bufferedBytes = 0;
  const lastAtMs = { up: 0, down: 0 };
  let clockMs = 0;

  /** Messages of one direction arrive in the order they were sent. */
  const travel = (direction: "up" | "down", label: string, run: () => void): void => {
    clockMs = worker.monotonicMs();
    lastAtMs[direction] = Math.max(clockMs + network.latencyMs(), lastAtMs[direction] + 0.001);
    network.later(lastAtMs[direction] - clockMs, `${worker.name} live ${direction} ${label}`, run);
  };
  const endClient = (): void => {
    if (!isClientOpen) return;
    isClientOpen = false;
    forget();
    forgetDeath();
    if (worker.isAlive) listener.onClose();
  };
  const endServer = (): void => {
    if (!isServerOpen) return;
    isServerOpen = false;
    session.onClose();
  };
  const hangUp = (): void => {
    travel("down", "hang-up", endClient);
    travel("up", "hang-up", endServer);
  };
  const session = relay.openLive(tenantId, {
    send(message) {
      if (!isServerOpen) return;
      const copy = network.fault.onAnswer?.(message) ?? message.slice();
      network.crossed.push(copy);
      bufferedBytes += copy.length;
      if (network.random.chance(network.weather.hangUp)) hangUp();
      travel("down", `${copy.length} bytes`, () => {
        bufferedBytes -= copy.length;
        if (isServerOpen) session.onDrain();
        if (isClientOpen && worker.isAlive && worker.isOnline()) listener.onMessage(copy);
      });
    },
    close(code) {
      isServerOpen = false;
      session.onClose();
      travel("down", `close ${code}`, endClient);
    },
    bufferedBytes: () => bufferedBytes,
  });
  const forget = server.onRestart(() => {
    isServerOpen = false;
    travel("down", "reset", endClient);
  });
  // A process that dies leaves it to the system to close what it had open.
  const forgetDeath = worker.onDeath(() => travel("up", "reset", endServer));
  return {
    send(message) {
      if (!isClientOpen) return;
      const copy = message.slice();
      network.crossed.push(copy);
      if (network.random.chance(network.weather.hangUp)) hangUp();
      travel("up", `${copy.length} bytes`, () => {
        if (isServerOpen) void session.onMessage(copy);
      });
    },
    close() {
      if (!isClientOpen) return;
      isClientOpen = false;
      forget();
      forgetDeath();
      travel("up", "close", endServer);
    },
  };
}
