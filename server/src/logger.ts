import { isCofferError } from "../../src/std/index.ts";

/** Plain data of a log line: never a token, a key, a signature or content. */
export type LogFields = Readonly<Record<string, string | number | boolean | undefined>>;

/** Writes what happened, as one event with fields. */
export interface Logger {
  info(event: string, fields?: LogFields): void;
  warn(event: string, fields?: LogFields): void;
}

/** A logger that says nothing. */
export const silentLogger: Logger = { info: () => undefined, warn: () => undefined };

/** Create a logger that writes one line of JSON for each event. */
export function createJsonLogger(write: (line: string) => void, nowMs: () => number): Logger {
  const log =
    (level: string) =>
    (event: string, fields: LogFields = {}): void =>
      write(`${JSON.stringify({ time: new Date(nowMs()).toISOString(), level, event, ...fields })}\n`);
  return { info: log("info"), warn: log("warn") };
}

/** Shorten an id for a log line: enough to tell two apart, not enough to use. */
export function shortId(id: string): string {
  return id.slice(0, 8);
}

/** What of a failure may be logged: its code and where it was thrown, never its data. */
export function describeFailure(cause: unknown): LogFields {
  if (isCofferError(cause)) return { ...describeFailure(cause.cause), code: cause.code };
  if (!(cause instanceof Error)) return {};
  const [, place] = (cause.stack ?? "").split("\n").map((line) => line.trim());
  return { reason: cause.name, message: cause.message.slice(0, 200), place };
}
