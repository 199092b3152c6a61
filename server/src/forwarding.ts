import type { Env, TenantId } from "../../src/std/index.ts";
import { FileForwarder, type FileForwarderOptions } from "./file-forwarder.ts";
import type { ForwardLink } from "./forward-link.ts";
import type { Relay, RelayCluster } from "./handler.ts";
import { Forwarder, type ForwarderOptions } from "./forwarder.ts";

export interface ForwardingOptions extends Pick<
  ForwarderOptions,
  "crypto" | "directories" | "logger" | "logSets" | "storage"
> {
  readonly metrics: ForwarderOptions["metrics"] & FileForwarderOptions["metrics"];
  readonly env: Pick<Env, "setTimer" | "randomFraction">;
  readonly forwardTo?: readonly ForwardLink[] | undefined;
  readonly forwardTenants?: ReadonlySet<TenantId> | undefined;
  readonly forwardsFiles?: boolean | undefined;
  /** the other nodes, one of which may forward what comes here */
  readonly cluster?: Pick<RelayCluster, "chunkStored"> | undefined;
}

/** Forwarding to all other servers that are named. */
export interface Forwarding extends Pick<Forwarder, "grown"> {
  /** A chunk has come to this node. */
  readonly chunkStored: FileForwarder["arrived"];
  readonly relay: Pick<Relay, "chunkArrived" | "forwardWaiting" | "stopForwarding">;
}

/** Forward to each of the other servers: commits, and behind them what files hold. */
export function openForwarding(options: ForwardingOptions): Forwarding {
  const { forwardTenants: tenants, forwardTo = [], forwardsFiles = true } = options;
  const files = forwardsFiles
    ? forwardTo.map((link) => new FileForwarder({ ...options, link, tenants }))
    : [];
  const commits = forwardTo.map((link, at) => {
    const onSettled = (tenantId: TenantId): void => files[at]?.look(tenantId);
    return new Forwarder({ ...options, link, tenants, onSettled });
  });
  for (const forwarder of commits) forwarder.start();
  const chunkArrived: FileForwarder["arrived"] = (...chunk) => {
    for (const forwarder of files) forwarder.arrived(...chunk);
  };
  const all = [...commits, ...files];
  return {
    grown(...log) {
      for (const forwarder of commits) forwarder.grown(...log);
    },
    chunkStored(...chunk) {
      chunkArrived(...chunk);
      options.cluster?.chunkStored(...chunk);
    },
    relay: {
      chunkArrived,
      forwardWaiting: () => all.reduce((sum, { waiting }) => sum + waiting, 0),
      async stopForwarding() {
        await Promise.all(all.map((forwarder) => forwarder.stop()));
      },
    },
  };
}
