/** The calls about backup files and bundles, and about the storage: bytes come and go piece by piece, as the page asks for them. */
import { CofferError } from "../src/std/index.ts";
import {
  BundleImport,
  chunksOf,
  createReport,
  exportBundle,
  measureBundle,
  openBackup,
  Restore,
  Serial,
  summarize,
} from "../src/tenant/index.ts";
import type { WorkerApi } from "./api.ts";
import type { BackupCalls, BundleCalls } from "./backup-api.ts";
import { requireTenantId, type WorkerHost } from "./host.ts";
import { readFields, readNatural, readString } from "./page-messages.ts";

/** What a page can have under way; more is a page that has lost count. */
const maxOpen = 16;

/** One file that is being written. Its pieces are made one after the other, whoever asks. */
interface Export {
  readonly pieces: AsyncGenerator<Uint8Array<ArrayBuffer>, void>;
  readonly calls: Serial;
}

/** The files that a page has under way, by numbers that are given once. */
class OpenFiles {
  readonly exports = new Map<number, Export>();
  readonly imports = new Map<number, Restore | BundleImport>();
  #lastId = 0;

  #newId(): number {
    if (this.exports.size + this.imports.size >= maxOpen)
      throw new CofferError("input/too-large", { open: maxOpen });
    return ++this.#lastId;
  }

  async write(opening: Export["pieces"] | Promise<Export["pieces"]>): Promise<number> {
    const id = this.#newId();
    this.exports.set(id, { pieces: await opening, calls: new Serial() });
    return id;
  }

  read(open: () => Restore | BundleImport): number {
    const id = this.#newId();
    this.imports.set(id, open());
    return id;
  }

  /** A file that is being taken in. @throws `aborted` when there is none */
  import(id: number): Restore | BundleImport {
    const open = this.imports.get(id);
    if (open === undefined) throw new CofferError("aborted");
    return open;
  }
}

/** Answer the calls about backups. */
export function backupCalls(host: WorkerHost): BackupCalls & Pick<WorkerApi, "openAuditReport"> {
  const files = new OpenFiles();
  return {
    ...bundleCalls(host, files),
    async openExport(tenantId, options) {
      const { device } = await host.ready();
      const { core } = host.tenant(tenantId);
      const { store, world } = core;
      const chunks = chunksOf(core);
      const source = { crypto: world.crypto, device, store, chunks, tenantId: requireTenantId(tenantId) };
      return files.write(openBackup(source, readOptions(options)));
    },

    async openAuditReport(tenantId, names) {
      const session = host.tenant(tenantId);
      if (typeof names !== "boolean") throw new CofferError("input/invalid", { at: "names" });
      return files.write(createReport(session, names));
    },

    async readExport(id) {
      const open = files.exports.get(id);
      if (open === undefined) throw new CofferError("aborted");
      const piece = await open.calls
        .run(() => open.pieces.next())
        .catch((error: unknown) => {
          files.exports.delete(id);
          throw error;
        });
      if (piece.done !== true) return piece.value;
      files.exports.delete(id);
      return undefined;
    },

    async openImport(password) {
      const { device, world } = await host.ready();
      return files.read(() => new Restore(world, device, readString(password, "password")));
    },

    async writeImport(id, bytes) {
      if (!(bytes instanceof Uint8Array)) throw new CofferError("input/invalid", { at: "bytes" });
      return files.import(id).write(bytes);
    },

    async finishImport(id) {
      const open = files.import(id);
      if (!(open instanceof Restore)) throw new CofferError("aborted");
      files.imports.delete(id);
      const report = await open.finish();
      await host.findSession(requireTenantId(report.tenantId))?.adoptImported();
      return report;
    },

    async abortBackup(id) {
      files.exports.delete(id);
      const open = files.imports.get(id);
      files.imports.delete(id);
      await open?.close();
    },

    measureStorage: () => host.measureStorage(),
  };
}

function bundleCalls(host: WorkerHost, files: OpenFiles): BundleCalls {
  return {
    async summarize(tenantId) {
      return summarize(host.tenant(tenantId));
    },

    async openBundleExport(tenantId, summary, maxFileBytes) {
      const session = host.tenant(tenantId);
      return files.write(exportBundle(session, readWish(summary, maxFileBytes)));
    },

    async measureBundle(tenantId, summary, maxFileBytes) {
      return measureBundle(host.tenant(tenantId), readWish(summary, maxFileBytes));
    },

    async openBundleImport(tenantId) {
      const session = host.tenant(tenantId);
      return files.read(() => new BundleImport(session));
    },

    async finishBundleImport(id) {
      const open = files.import(id);
      if (!(open instanceof BundleImport)) throw new CofferError("aborted");
      files.imports.delete(id);
      return open.finish();
    },
  };
}

/** Read for whom a bundle is, and with how much of files. @throws `input/invalid` with `at` */
function readWish(summary: unknown, maxFileBytes: unknown): Parameters<typeof exportBundle>[1] {
  if (summary !== undefined && !(summary instanceof Uint8Array))
    throw new CofferError("input/invalid", { at: "summary" });
  return { summary, maxFileBytes: readNatural(maxFileBytes, "maxFileBytes") };
}

type ExportOptions = Parameters<typeof openBackup>[1];

/** Read what the page asks for. @throws `input/invalid` with `at` */
function readOptions(options: unknown): ExportOptions {
  const { documents, files = true, resume, ...fields } = readFields(options, "options");
  const password = readString(fields["password"], "password");
  if (typeof documents !== "boolean") throw new CofferError("input/invalid", { at: "documents" });
  if (typeof files !== "boolean") throw new CofferError("input/invalid", { at: "files" });
  if (resume === undefined) return { password, documents, files, resume };
  const { header, sizeBytes } = readFields(resume, "resume");
  if (!(header instanceof Uint8Array)) throw new CofferError("input/invalid", { at: "resume.header" });
  return {
    password,
    documents,
    files,
    resume: { header, sizeBytes: readNatural(sizeBytes, "resume.sizeBytes") },
  };
}
