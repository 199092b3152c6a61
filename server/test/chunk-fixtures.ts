/** Commits of chunks as a writer seals them, and chunks on their way. */
import { expect } from "vitest";
import { sealCommit, type Commit } from "../../src/entry/index.ts";
import { bytesToBase64url, bytesToId, type DocId } from "../../src/std/index.ts";
import { crypto, failureOf, type TestClient, type TestTenant, type TestUser } from "./fixtures.ts";

/** A document that nothing else is known of. */
export const createDocId = (): DocId => bytesToId("DocId", crypto.randomBytes(16));

/** A commit that names chunks; their ciphertexts are not in its bytes. */
export async function sealFile(
  tenant: TestTenant,
  user: TestUser,
  plaintexts: readonly Uint8Array[],
  docId = createDocId(),
  createdAtMs = Date.now(),
): Promise<Commit> {
  return sealCommit(crypto, {
    tenantId: tenant.tenantId,
    dbId: tenant.dbId,
    author: user.key,
    signingKey: user.signing.privateKey,
    writerNonce: crypto.randomBytes(16),
    writerSeq: 1,
    predecessors: [],
    directoryHead: tenant.head,
    createdAtMs,
    entries: plaintexts.map((plaintext, index) => ({
      entryType: "attachment_chunk",
      docId,
      dependencies: index === 0 ? [] : [{ index: index - 1 }],
      key: tenant.keys.documents,
      plaintext,
      isApart: true,
    })),
  });
}

/** So many chunks of random bytes. */
export const randomChunks = (count: number, sizeBytes = 2000): readonly Uint8Array[] =>
  Array.from({ length: count }, () => crypto.randomBytes(sizeBytes));

/** The ciphertext of a commit's chunk. */
export const ciphertextOf = ({ entries }: Commit, index: number): Uint8Array<ArrayBuffer> =>
  new Uint8Array(entries[index]?.ciphertext ?? expect.fail("a ciphertext"));

/** The request that brings a chunk with some token. */
export function putRequest(
  { url, tenantId }: Pick<TestClient, "url" | "tenantId">,
  token: Uint8Array,
  commit: Commit,
  {
    index,
    ...bent
  }: { readonly index: number; readonly body?: Uint8Array<ArrayBuffer>; readonly hash?: Uint8Array },
): Request {
  const body = bent.body ?? ciphertextOf(commit, index);
  const { createdAtMs, dbId } = commit.header;
  const hash = bytesToBase64url(bent.hash ?? crypto.sha256(body));
  const query = `db=${dbId}&commit=${commit.commitHash}&at=${createdAtMs}&entry=${index}`;
  return new Request(`${url}/v1/t/${tenantId}/blob/${hash}?${query}`, {
    method: "PUT",
    headers: {
      "Content-Type": "application/octet-stream",
      Authorization: `Bearer ${bytesToBase64url(token)}`,
    },
    body,
  });
}

/** Bring chunks of a commit as a member does; all are taken. */
export async function bringChunks(
  client: TestClient,
  commit: Commit,
  indexes: Iterable<number>,
): Promise<void> {
  for (const index of indexes) {
    const request = putRequest(client, client.token ?? expect.fail("a token"), commit, { index });
    const response = await client.fetch(request);
    if (!response.ok) throw await failureOf(response);
    await response.arrayBuffer();
  }
}

/** Which chunks of a commit a server hands out to a member, whole and as they were sealed. */
export async function chunksAt(client: TestClient, commit: Commit): Promise<readonly number[]> {
  const here: number[] = [];
  for (const index of commit.entries.keys()) {
    const body = ciphertextOf(commit, index);
    const hash = bytesToBase64url(crypto.sha256(body));
    const headers = { Authorization: `Bearer ${bytesToBase64url(client.token ?? expect.fail("a token"))}` };
    const url = `${client.url}/v1/t/${client.tenantId}/blob/${hash}`;
    const response = await client.fetch(new Request(url, { headers }));
    const got = new Uint8Array(await response.arrayBuffer());
    if (response.ok && Buffer.compare(got, body) === 0) here.push(index);
  }
  return here;
}

/** All chunks of a commit. */
export const allOf = ({ entries }: Commit): readonly number[] => [...entries.keys()];
