#!/usr/bin/env node
/** The command `cofferdb-server`: options in, one server, logs as lines of JSON on the standard output. */
import process from "node:process";
import { parseArgs } from "node:util";
import { createSystemEnv, isCofferError } from "../../src/std/index.ts";
import { createJsonLogger, describeFailure } from "./logger.ts";
import { startServer, type ServerOptions } from "./node.ts";

const usage = `cofferdb-server --data DIR [options]

  --data DIR         where the logs and the server's key are kept (required)
  --port N           port to listen on (default 8080; 0 = any free one)
  --host ADDRESS     address to listen on (default 127.0.0.1)
  --public-url URL   where clients reach this server, when it stands behind a proxy
  --origin URL       a further origin whose pages may call; may be repeated
  --demo DIR         serve a built application from this folder
  --new-epoch        after restoring a backup of the data: clients push again what was lost
  --help             this text
`;

class UsageError extends Error {}

function readOptions(args: readonly string[]): ServerOptions | "help" {
  const { values } = parseArgs({
    args: [...args],
    options: {
      data: { type: "string" },
      port: { type: "string", default: "8080" },
      host: { type: "string" },
      demo: { type: "string" },
      origin: { type: "string", multiple: true },
      "public-url": { type: "string" },
      "new-epoch": { type: "boolean" },
      help: { type: "boolean" },
    },
  });
  if (values.help === true) return "help";
  if (values.data === undefined) throw new UsageError("--data is required");
  const port = Number(values.port);
  if (!Number.isInteger(port) || port < 0 || port > 65_535) throw new UsageError("--port is not a port");
  for (const url of [...(values.origin ?? []), values["public-url"]]) {
    if (url !== undefined && !URL.canParse(url)) throw new UsageError(`${url} is not a URL`);
  }
  return {
    dataFolder: values.data,
    port,
    host: values.host,
    demoFolder: values.demo,
    allowedOrigins: values.origin,
    publicUrl: values["public-url"],
    startsNewEpoch: values["new-epoch"],
  };
}

async function main(): Promise<void> {
  const options = readOptions(process.argv.slice(2));
  if (options === "help") {
    process.stdout.write(usage);
    return;
  }
  const env = createSystemEnv();
  const logger = createJsonLogger(
    (line) => process.stdout.write(line),
    () => env.nowMs(),
  );
  const server = await startServer({ ...options, logger });
  logger.info("server.listening", { url: server.url });
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

main().catch((cause: unknown) => {
  const isUsage = cause instanceof UsageError || (cause instanceof TypeError && "code" in cause);
  const message = cause instanceof Error ? cause.message : String(cause);
  process.stderr.write(
    isUsage ? `${message}\n\n${usage}` : `${message}${isCofferError(cause) ? ` (${cause.code})` : ""}\n`,
  );
  process.exitCode = isUsage ? 2 : 1;
});
