/** Chunks that are sealed by their content, as the parts of files have them. */
import { createContentSealer, type Commit, type ContentKey, type OpenVerdict } from "../entry/index.ts";
import type { TenantCore } from "./core.ts";

/** Seal chunks by their content, for the entries of a commit. */
export async function sealChunks(
  core: TenantCore,
  key: ContentKey,
  plaintexts: readonly Uint8Array[],
): Promise<readonly { readonly plaintext: Uint8Array; readonly ciphertext: Uint8Array<ArrayBuffer> }[]> {
  const sealer = await createContentSealer(core.world.crypto, key, core.tenantId);
  const sealed = [];
  for (const plaintext of plaintexts)
    sealed.push({ plaintext: noBytes, ciphertext: await sealer.seal(plaintext) });
  return sealed;
}

const noBytes = new Uint8Array(0);

/** Open what is here of a part whose chunks are sealed by their content. */
export async function openShared(
  core: TenantCore,
  { entries, header }: Commit,
): Promise<readonly OpenVerdict[]> {
  const [named] = header.keys;
  const key = named && core.findKey(named);
  if (named === undefined || key === undefined) {
    const verdict = named === undefined ? absent : ({ kind: "no-key", key: named } as const);
    return entries.map(() => verdict);
  }
  const sealer = await createContentSealer(core.world.crypto, key, core.tenantId);
  return Promise.all(
    entries.map(async ({ ciphertext }): Promise<OpenVerdict> => {
      if (ciphertext === undefined) return absent;
      const plaintext = await sealer.open(ciphertext);
      return plaintext === undefined
        ? { kind: "forged", reason: "ciphertext" }
        : { kind: "opened", plaintext };
    }),
  );
}

const absent: OpenVerdict = { kind: "absent" };
