#!/usr/bin/env node
/** The command `cofferdb-server`: a server, and what its owner does with its data. */
import process from "node:process";
import { isCofferError } from "../../src/std/index.ts";
import { runAdminCommand } from "./cli-admin.ts";
import { readCommand, UsageError, usage } from "./cli-options.ts";
import { serve } from "./cli-serve.ts";

async function main(): Promise<void> {
  const command = readCommand(process.argv.slice(2));
  if (command.name === "help") process.stdout.write(usage);
  else if (command.name === "serve") await serve(command.options);
  else process.exitCode = await runAdminCommand(command, (line) => process.stdout.write(`${line}\n`));
}

main().catch((cause: unknown) => {
  const isUsage = cause instanceof UsageError || (cause instanceof TypeError && "code" in cause);
  const message = cause instanceof Error ? cause.message : String(cause);
  process.stderr.write(
    isUsage ? `${message}\n\n${usage}` : `${message}${isCofferError(cause) ? ` (${cause.code})` : ""}\n`,
  );
  process.exitCode = isUsage ? 2 : 1;
});
