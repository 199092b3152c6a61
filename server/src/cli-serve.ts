import process from "node:process";
import { createSystemEnv } from "../../src/std/index.ts";
import { createJsonLogger, describeFailure } from "./logger.ts";
import { startServer, type ServerOptions } from "./node.ts";

/** Run one server until a signal stops it; logs are lines of JSON on the standard output. */
export async function serve(options: ServerOptions): Promise<void> {
  const env = createSystemEnv();
  const logger = createJsonLogger(
    (line) => process.stdout.write(line),
    () => env.nowMs(),
  );
  const server = await startServer({ ...options, logger });
  logger.info("server.listening", { url: server.url, adminUrl: server.adminUrl });
  let isClosing = false;
  const stop = (signal: NodeJS.Signals): void => {
    if (isClosing) return;
    isClosing = true;
    logger.info("server.closing", { signal });
    server.close().then(
      () => logger.info("server.closed"),
      (cause: unknown) => {
        logger.warn("server.failed", describeFailure(cause));
        process.exitCode = 1;
      },
    );
  };
  process.on("SIGINT", stop);
  process.on("SIGTERM", stop);
}
