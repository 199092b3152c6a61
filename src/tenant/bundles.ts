/** Bundles between the devices of a tenant, see sync/bundle.ts: they are written and taken in while it is locked as well. */
import {
  BundleReading,
  measureFiles,
  writeBundle,
  writeSummary,
  type BundlePlace,
  type BundleReport,
} from "../sync/index.ts";
import { chunksOf, settleParts } from "./attachments.ts";
import { standingOf } from "./file-standing.ts";
import { Serial } from "./serial.ts";
import type { TenantSession } from "./session.ts";

/** Say in a few bytes what this device has of a tenant. */
export async function summarize(session: TenantSession): Promise<Uint8Array<ArrayBuffer>> {
  return writeSummary(placeOf(session));
}

/** For whom a bundle is, by their summary, and how many bytes of files it holds at most. */
export interface BundleWish {
  readonly summary: Uint8Array | undefined;
  readonly maxFileBytes: number;
}

/** Write what a device lacks that gave this summary; without one everything. @throws as `writeBundle` */
export function exportBundle(
  session: TenantSession,
  { maxFileBytes, summary }: BundleWish,
): AsyncGenerator<Uint8Array<ArrayBuffer>, void> {
  return writeBundle(placeOf(session), summary, maxFileBytes);
}

/** Say how many bytes of files that would be. @throws as `writeBundle` */
export async function measureBundle(
  session: TenantSession,
  { maxFileBytes, summary }: BundleWish,
): ReturnType<typeof measureFiles> {
  return measureFiles(placeOf(session), summary, maxFileBytes);
}

function placeOf({ core, links, row }: TenantSession): BundlePlace {
  const { store, tenantId, world } = core;
  const { sets } = links.peers;
  const log = { crypto: world.crypto, store, sets, tenantId, userKey: row.userKey };
  return {
    ...log,
    chunks: chunksOf(core),
    standingOf: (named) => standingOf(core, named),
    nowMs: () => core.nowMs(),
  };
}

/** One bundle being taken in, whoever calls in whatever order. */
export class BundleImport {
  readonly #session: TenantSession;
  readonly #reading: BundleReading;
  readonly #calls = new Serial();

  constructor(session: TenantSession) {
    this.#session = session;
    this.#reading = new BundleReading(placeOf(session));
  }

  /** Take the next bytes. @throws as `BundleReading.take` */
  write(bytes: Uint8Array): Promise<{ readonly commitCount: number }> {
    return this.#calls.run(async () => {
      await this.#reading.take(bytes);
      return { commitCount: this.#reading.commitCount };
    });
  }

  /** The file is over: what came is judged before this resolves, unless the tenant is locked. @throws as `BundleReading.finish` */
  async finish(): Promise<BundleReport> {
    try {
      return await this.#calls.run(() => this.#reading.finish());
    } finally {
      await this.#session.catchUp();
      await this.#follow();
    }
  }

  /** Give it up: what came whole is kept. @throws `store/…` */
  async close(): Promise<void> {
    try {
      await this.#calls.run(() => this.#reading.close());
    } finally {
      // Locked, or closed meanwhile, nothing more is known than before.
      if (this.#session.core.unlocked !== undefined) {
        await this.#session.catchUp();
        await this.#follow();
      }
    }
  }

  /** What was purged or refused here is not brought back, and what no server has may be sent to one. */
  async #follow(): Promise<void> {
    await settleParts(this.#session);
    this.#session.links.chunks.wake();
  }
}
