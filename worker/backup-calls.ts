/** The calls about backup files and about the storage: bytes come and go piece by piece, as the page asks for them. */
import { CofferError } from "../src/std/index.ts";
import { createReport, openBackup, Restore, Serial } from "../src/tenant/index.ts";
import type { WorkerApi } from "./api.ts";
import { requireTenantId, type WorkerHost } from "./host.ts";
import { readFields, readNatural, readString } from "./page-messages.ts";

type BackupCalls = Pick<
  WorkerApi,
  | "openAuditReport"
  | "openExport"
  | "readExport"
  | "openImport"
  | "writeImport"
  | "finishImport"
  | "abortBackup"
  | "measureStorage"
>;

/** What a page can have under way; more is a page that has lost count. */
const maxOpen = 16;

/** One file that is being written. Its pieces are made one after the other, whoever asks. */
interface Export {
  readonly pieces: AsyncGenerator<Uint8Array<ArrayBuffer>, void>;
  readonly calls: Serial;
}

/** Answer the calls about backups. */
export function backupCalls(host: WorkerHost): BackupCalls {
  const exports = new Map<number, Export>();
  const imports = new Map<number, Restore>();
  let lastId = 0;
  const newId = (): number => {
    if (exports.size + imports.size >= maxOpen) throw new CofferError("input/too-large", { open: maxOpen });
    return ++lastId;
  };
  const begin = async (opening: Export["pieces"] | Promise<Export["pieces"]>): Promise<number> => {
    const id = newId();
    exports.set(id, { pieces: await opening, calls: new Serial() });
    return id;
  };
  return {
    async openExport(tenantId, options) {
      const { device } = await host.ready();
      const { store, world } = host.tenant(tenantId).core;
      const source = { crypto: world.crypto, device, store, tenantId: requireTenantId(tenantId) };
      return begin(openBackup(source, readOptions(options)));
    },

    async openAuditReport(tenantId, names) {
      const session = host.tenant(tenantId);
      if (typeof names !== "boolean") throw new CofferError("input/invalid", { at: "names" });
      return begin(createReport(session, names));
    },

    async readExport(id) {
      const open = exports.get(id);
      if (open === undefined) throw new CofferError("aborted");
      const piece = await open.calls
        .run(() => open.pieces.next())
        .catch((error: unknown) => {
          exports.delete(id);
          throw error;
        });
      if (piece.done !== true) return piece.value;
      exports.delete(id);
      return undefined;
    },

    async openImport(password) {
      const { device, world } = await host.ready();
      const id = newId();
      imports.set(id, new Restore(world, device, readString(password, "password")));
      return id;
    },

    async writeImport(id, bytes) {
      if (!(bytes instanceof Uint8Array)) throw new CofferError("input/invalid", { at: "bytes" });
      return requireImport(imports, id).write(bytes);
    },

    async finishImport(id) {
      const open = requireImport(imports, id);
      imports.delete(id);
      const report = await open.finish();
      await host.findSession(requireTenantId(report.tenantId))?.adoptImported();
      return report;
    },

    async abortBackup(id) {
      exports.delete(id);
      imports.get(id)?.close();
      imports.delete(id);
    },

    measureStorage: () => host.measureStorage(),
  };
}

type ExportOptions = Parameters<WorkerApi["openExport"]>[1];

/** Read what the page asks for. @throws `input/invalid` with `at` */
function readOptions(options: unknown): ExportOptions {
  const { documents, resume, ...fields } = readFields(options, "options");
  const password = readString(fields["password"], "password");
  if (typeof documents !== "boolean") throw new CofferError("input/invalid", { at: "documents" });
  if (resume === undefined) return { password, documents, resume };
  const { header, sizeBytes } = readFields(resume, "resume");
  if (!(header instanceof Uint8Array)) throw new CofferError("input/invalid", { at: "resume.header" });
  return { password, documents, resume: { header, sizeBytes: readNatural(sizeBytes, "resume.sizeBytes") } };
}

function requireImport(imports: ReadonlyMap<number, Restore>, id: number): Restore {
  const open = imports.get(id);
  if (open === undefined) throw new CofferError("aborted");
  return open;
}
