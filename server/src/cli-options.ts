import process from "node:process";
import { parseArgs } from "node:util";
import { parseId, type TenantId } from "../../src/std/index.ts";
import { parseServerUrl } from "../../src/sync/index.ts";
import type { BackendOptions } from "./backend.ts";
import type { RelayLimits } from "./handler.ts";
import type { ServerOptions } from "./node.ts";

/** What `--help` says. */
export const usage = `cofferdb-server [serve] --data DIR [options]      run a server
cofferdb-server tenants --data DIR                list tenants with their sizes
cofferdb-server tenants remove ID --data DIR      remove a tenant and everything it stored
cofferdb-server backup --data DIR --to FOLDER     copy the data, also while a server runs
cofferdb-server restore --data DIR --from FOLDER  put a copy back; every log begins a new epoch
cofferdb-server verify --data DIR                 recompute every hash, signature and tree, also while a server runs

  --data DIR                where the logs and the server's key are kept (required)
  --postgres URL            keep the logs in this PostgreSQL database, which other nodes share; or COFFER_POSTGRES
  --port N                  port to listen on (default 8080; 0 = any free one)
  --host ADDRESS            address to listen on (default 127.0.0.1)
  --public-url URL          where clients reach this server, when it stands behind a proxy
  --origin URL              a further origin whose pages may call; may be repeated
  --demo DIR                serve a built application from this folder
  --new-epoch               after restoring a backup by hand: clients push again what was lost
  --admin-port N            serve metrics, health and readiness on this port (0 = any free one)
  --admin-host ADDRESS      address of that port (default 127.0.0.1)
  --drain-seconds N         when told to stop: so long not ready, and still serving (default 0)
  --push-subject URL        wake devices through their browsers' push services, which may write to this mailto: or
                            https: address about it (default: the public URL, if it is https)
  --push-host HOST          a further push service: a host, *. and the end of one, or an origin; may be repeated
  --forward-to URL          forward what this server holds to another one, which must accept its key; may be repeated
  --forward-tenant ID       forward this tenant, and no others but those named likewise; may be repeated
  --forward-no-files        forward commits alone: what files hold stays here
  --accept-from KEY         take what the server with this key forwards (its serverKey at /sync/capabilities); may be repeated
  --max-tenants N           tenants that this server takes (default 100000)
  --tenant-bytes N          bytes that one tenant may store (default 17179869184)
  --tenant-commits N        commits that one tenant may store (default: no limit)
  --user-bytes N            bytes that one user of a tenant may store (default: no limit)
  --user-commits N          commits that one user of a tenant may store (default: no limit)
  --requests-per-minute N   requests of one user (default 6000)
  --to FOLDER               where a backup goes; it must not be there yet
  --from FOLDER             the backup that is put back
  --help                    this text
`;

/** The command was used wrongly; the message says how. */
export class UsageError extends Error {}

/** What to do with the data, other than serving it. */
export type AdminCommand =
  | (BackendOptions & { readonly name: "list-tenants" })
  | (BackendOptions & { readonly name: "remove-tenant"; readonly tenantId: TenantId })
  | { readonly name: "backup"; readonly dataFolder: string; readonly to: string }
  | { readonly name: "restore"; readonly dataFolder: string; readonly from: string }
  | (BackendOptions & { readonly name: "verify" });

export type Command =
  | { readonly name: "help" }
  | { readonly name: "serve"; readonly options: ServerOptions }
  | AdminCommand;

const dataOption = {
  data: { type: "string" },
  postgres: { type: "string" },
  help: { type: "boolean" },
} as const;
const serveOptions = {
  ...dataOption,
  port: { type: "string", default: "8080" },
  host: { type: "string" },
  demo: { type: "string" },
  origin: { type: "string", multiple: true },
  "public-url": { type: "string" },
  "new-epoch": { type: "boolean" },
  "admin-port": { type: "string" },
  "admin-host": { type: "string" },
  "drain-seconds": { type: "string" },
  "push-subject": { type: "string" },
  "push-host": { type: "string", multiple: true },
  "forward-to": { type: "string", multiple: true },
  "forward-tenant": { type: "string", multiple: true },
  "forward-no-files": { type: "boolean" },
  "accept-from": { type: "string", multiple: true },
  "max-tenants": { type: "string" },
  "tenant-bytes": { type: "string" },
  "tenant-commits": { type: "string" },
  "user-bytes": { type: "string" },
  "user-commits": { type: "string" },
  "requests-per-minute": { type: "string" },
} as const;

/** Read the command line. Without a command it is `serve`. @throws {@link UsageError}, or a `TypeError` of the parser */
export function readCommand(args: readonly string[]): Command {
  const [first = "", ...rest] = args;
  if (first === "" || first.startsWith("-")) return readServe(args);
  if (first === "serve") return readServe(rest);
  if (first === "tenants") return readTenants(rest);
  if (first === "backup" || first === "restore" || first === "verify") return readData(first, rest);
  throw new UsageError(`There is no command ${first}`);
}

function readServe(args: readonly string[]): Command {
  const { values } = parseArgs({ args: [...args], options: serveOptions });
  if (values.help === true) return { name: "help" };
  for (const url of [...(values.origin ?? []), values["public-url"]])
    if (url !== undefined && !URL.canParse(url)) throw new UsageError(`${url} is not a URL`);
  return {
    name: "serve",
    options: {
      ...readPlace(values),
      port: readPort("port", values.port),
      host: values.host,
      demoFolder: values.demo,
      allowedOrigins: values.origin,
      publicUrl: values["public-url"],
      startsNewEpoch: values["new-epoch"],
      adminPort:
        values["admin-port"] === undefined ? undefined : readPort("admin-port", values["admin-port"]),
      adminHost: values["admin-host"],
      drainDelayMs: readCount("drain-seconds", values["drain-seconds"] ?? "0") * 1000,
      pushSubject: readSubject(values["push-subject"]),
      pushHosts: values["push-host"],
      forwardTo: values["forward-to"]?.map(readForwardUrl),
      forwardTenants: values["forward-tenant"]?.map((text) => readId("TenantId", "forward-tenant", text)),
      forwardsFiles: values["forward-no-files"] !== true,
      acceptFrom: values["accept-from"]?.map((text) => readId("AuthorKey", "accept-from", text)),
      limits: readLimits(values),
    },
  };
}

function readSubject(text: string | undefined): string | undefined {
  if (text === undefined || /^mailto:[^@\s]+@[^@\s]+$/.test(text)) return text;
  if (text.startsWith("https://") && URL.canParse(text)) return text;
  throw new UsageError("--push-subject is neither a mailto: nor an https: address");
}

function readForwardUrl(text: string): string {
  try {
    return parseServerUrl(text).origin;
  } catch {
    throw new UsageError(
      "--forward-to is neither an https: address without a path nor an http: one of this machine",
    );
  }
}

/** An id that begins with a dash is given as `--option=ID`. */
function readId<Kind extends "TenantId" | "AuthorKey">(kind: Kind, name: string, text: string) {
  const id = parseId(kind, text);
  if (id === undefined) throw new UsageError(`--${name} is not an id of 43 characters`);
  return id;
}

type ServeValues = Readonly<Record<string, string | boolean | readonly string[] | undefined>>;

function readLimits(values: ServeValues): Partial<RelayLimits> {
  const limit = (name: string, field: keyof RelayLimits): Partial<RelayLimits> => {
    const text = values[name];
    return typeof text === "string" ? { [field]: readCount(name, text) } : {};
  };
  const perMinute = values["requests-per-minute"];
  return {
    ...limit("max-tenants", "maxTenants"),
    ...limit("tenant-bytes", "tenantBytes"),
    ...limit("tenant-commits", "tenantCommits"),
    ...limit("user-bytes", "userBytes"),
    ...limit("user-commits", "userCommits"),
    ...(typeof perMinute === "string" ? { member: rateOf(readCount("requests-per-minute", perMinute)) } : {}),
  };
}

/** A third of a minute's requests may come at once. */
function rateOf(perMinute: number): RelayLimits["member"] {
  return { perMinute, burst: Math.max(1, Math.ceil(perMinute / 3)) };
}

function readTenants(args: readonly string[]): Command {
  // An id may begin with a dash, like an option.
  const isId = (arg: string): boolean => parseId("TenantId", arg) !== undefined;
  const sorted = [...args.filter((arg) => !isId(arg)), "--", ...args.filter(isId)];
  const { values, positionals } = parseArgs({ args: sorted, options: dataOption, allowPositionals: true });
  if (values.help === true) return { name: "help" };
  const place = readPlace(values);
  const [action = "list", id, ...more] = positionals;
  if (more.length > 0) throw new UsageError(`${more[0]} is too much`);
  if (action === "list" && id === undefined) return { name: "list-tenants", ...place };
  if (action !== "remove") throw new UsageError(`There is no command tenants ${action}`);
  const tenantId = parseId("TenantId", id);
  if (tenantId === undefined) throw new UsageError("tenants remove needs the id of a tenant");
  return { name: "remove-tenant", ...place, tenantId };
}

function readData(name: "backup" | "restore" | "verify", args: readonly string[]): Command {
  const folders = { ...dataOption, to: { type: "string" }, from: { type: "string" } } as const;
  const { values } = parseArgs({ args: [...args], options: folders });
  if (values.help === true) return { name: "help" };
  const place = readPlace(values);
  if (name === "verify") return { name, ...place };
  if (place.postgresUrl !== undefined)
    throw new UsageError(
      `${name} is for a data directory: use pg_dump and pg_restore, and start once with --new-epoch`,
    );
  const { dataFolder } = place;
  if (name === "backup") return { name, dataFolder, to: required("to", values.to) };
  return { name, dataFolder, from: required("from", values.from) };
}

/** The address may hold a password, which a command line shows to everyone on the machine: the environment does not. */
function readPlace(values: { readonly data?: string; readonly postgres?: string }): BackendOptions {
  const dataFolder = required("data", values.data);
  const postgresUrl = values.postgres ?? process.env["COFFER_POSTGRES"];
  if (postgresUrl === undefined || postgresUrl === "") return { dataFolder };
  if (!URL.canParse(postgresUrl)) throw new UsageError("--postgres is not a URL");
  return { dataFolder, postgresUrl };
}

function required(name: string, value: string | undefined): string {
  if (value === undefined) throw new UsageError(`--${name} is required`);
  return value;
}

function readCount(name: string, text: string): number {
  const count = Number(text);
  if (text === "" || !Number.isSafeInteger(count) || count < 0)
    throw new UsageError(`--${name} is not a whole number`);
  return count;
}

function readPort(name: string, text: string): number {
  const port = Number(text);
  if (!Number.isInteger(port) || port < 0 || port > 65_535) throw new UsageError(`--${name} is not a port`);
  return port;
}
