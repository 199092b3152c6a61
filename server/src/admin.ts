import { createServer, type Server, type ServerResponse } from "node:http";
import { monitorEventLoopDelay } from "node:perf_hooks";
import process from "node:process";
import type { Relay } from "./handler.ts";
import { metricsType, type Metrics } from "./metrics.ts";
import type { RelayReader } from "./storage.ts";

export interface AdminOptions {
  readonly host: string;
  readonly port: number;
  readonly relay: Relay;
  readonly metrics: Metrics;
  readonly storage: Pick<RelayReader, "tenantCount">;
}

/**
 * Serve who runs the server, on a port of its own that clients do not reach: `GET /metrics`, `/health`, `/ready`.
 *
 * It only reads; nothing that it says names a tenant, a user or an address.
 */
export async function startAdmin(
  options: AdminOptions,
): Promise<{ readonly port: number; close(): Promise<void> }> {
  const { relay, metrics } = options;
  const stopMeasuring = measureProcess(options);
  const server = createServer({ headersTimeout: 5000, requestTimeout: 10_000, maxHeaderSize: 8 * 1024 });
  server.on("request", (request, response) => {
    const { pathname } = new URL(request.url ?? "/", "http://admin");
    if (request.method !== "GET") return answer(response, 405, "GET only\n");
    if (pathname === "/health") return answer(response, 200, "alive\n");
    if (pathname === "/ready")
      return void relay
        .unready()
        .then((error) => answer(response, error === undefined ? 200 : 503, `${error?.code ?? "ready"}\n`));
    if (pathname === "/metrics")
      return void metrics.render().then((text) => answer(response, 200, text, metricsType));
    answer(response, 404, "metrics, health, ready\n");
  });
  await listen(server, options);
  const address = server.address();
  return {
    port: address !== null && typeof address === "object" ? address.port : options.port,
    close: () =>
      new Promise((resolve) => {
        stopMeasuring();
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

function answer(response: ServerResponse, status: number, text: string, type = "text/plain"): void {
  response.writeHead(status, { "Content-Type": type, "Cache-Control": "no-store" }).end(text);
}

function listen(server: Server, { host, port }: AdminOptions): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, host, () => {
      server.off("error", reject);
      resolve();
    });
  });
}

/** The numbers that every process has, under the names that dashboards know, and those of this storage. */
function measureProcess({ metrics, relay, storage }: AdminOptions): () => void {
  const delay = monitorEventLoopDelay({ resolution: 20 });
  delay.enable();
  metrics.gauge("coffer_live_sessions", "Live sessions that are open.", () => relay.liveCount());
  metrics.gauge("coffer_forward_waiting", "Tenants that wait to be forwarded.", () => relay.forwardWaiting());
  metrics.gauge("coffer_tenants", "Tenants that are stored.", () => storage.tenantCount());
  metrics.gauge("coffer_ready", "1 when new callers may come.", async () =>
    (await relay.unready()) === undefined ? 1 : 0,
  );
  metrics.gauge("coffer_event_loop_delay_seconds", "99th percentile since the start.", () =>
    Number.isNaN(delay.percentile(99)) ? 0 : delay.percentile(99) / 1e9,
  );
  metrics.gauge("process_resident_memory_bytes", "Resident memory.", () => process.memoryUsage.rss());
  metrics.gauge("process_cpu_seconds_total", "CPU time, user and system.", () => {
    const { user, system } = process.cpuUsage();
    return (user + system) / 1e6;
  });
  metrics.gauge("process_uptime_seconds", "Since the start.", () => process.uptime());
  return () => delay.disable();
}
