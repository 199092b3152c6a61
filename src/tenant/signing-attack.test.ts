/**
 * A device as a signing oracle: an application, a person's words or a server bring the very bytes that somebody wants signed. Whatever is
 * signed begins with the domain of what it is, so no signature is one over what was wanted.
 */
import { createServer, type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import {
  addReplica,
  lastDirectoryCommit,
  setStage,
  stateOf,
  type Stage,
} from "../../worker/attack-fixtures.ts";
import { crypto, env, newSubscription, people, startDevice } from "../../worker/device-fixtures.ts";
import { reportOf } from "../../worker/audit-fixtures.ts";
import { serveEachTest } from "../../worker/server-fixtures.ts";
import type { Key } from "../crypto/index.ts";
import { bytesToBase64url, bytesToHex, bytesToId, idToBytes, type AuthorKey } from "../std/index.ts";
import { createMemoryStorage } from "../store/index.ts";
import { authPreimage } from "../sync/auth.ts";
import { signDelegation, signPublication } from "../sync/index.ts";

/** All that keys of users, admins and devices ever sign. */
const domains = [
  "coffer/audit-signature/v2",
  "coffer/auth/v1",
  "coffer/commit/v1",
  "coffer/delegation/v1",
  "coffer/device-response/v1",
  "coffer/held-keys/v1",
  "coffer/join-request/v1",
  "coffer/join-response/v1",
  "coffer/key/v1",
  "coffer/publication/v1",
  "coffer/whisper/v1",
];

const server = serveEachTest();
let stage: Stage;
let signed: Uint8Array[];
const realSign = crypto.sign;

/** The domain that bytes begin with. */
const domainOf = (preimage: Uint8Array): string =>
  new TextDecoder("latin1").decode(preimage.subarray(0, preimage.indexOf(0)));

beforeEach(async () => {
  signed = [];
  vi.spyOn(crypto, "sign").mockImplementation(async (key: Key, message: Uint8Array) => {
    signed.push(new Uint8Array(message));
    return realSign(key, message);
  });
  stage = await setStage();
});
afterEach(() => void vi.restoreAllMocks());

/** What is signed while something is done; it is forgotten among what the device signed. */
async function signedBy(act: () => Promise<unknown>): Promise<Uint8Array> {
  const before = signed.length;
  await act();
  const [preimage, ...more] = signed.splice(before);
  if (preimage === undefined || more.length > 0) throw new Error("one thing is signed");
  return preimage;
}

/** What a villain would like to have the victim's signature on: a commit, a login, a device of theirs, a tenant. */
async function wantedOf(victimKey: AuthorKey): Promise<Readonly<Record<string, Uint8Array>>> {
  const { victim, villain } = stage;
  const { tenantId } = victim;
  const { privateKey } = villain.identity.signing;
  const writerNonce = villain.nonce();
  const docId = bytesToId("DocId", env.randomBytes(16));
  const dependencies = [bytesToId("EntryHash", env.randomBytes(32))];
  const plaintext = env.randomBytes(40);
  const entry = { entryType: "doc_change" as const, docId, dependencies, key: villain.key, plaintext };
  const place = { author: victimKey, writerNonce, directoryHead: await lastDirectoryCommit(victim) };
  const claim = {
    origin: server.url,
    serverKey: env.randomBytes(32),
    tenantId,
    key: victimKey,
    challenge: env.randomBytes(64),
    clientNonce: env.randomBytes(16),
  };
  const delegation = {
    deviceKey: villain.author,
    userKey: victimKey,
    tenantId,
    scope: "sync" as const,
    expiresAtMs: env.nowMs() + 1_000_000,
  };
  const publication = {
    genesis: env.randomBytes(64),
    publicInfosKey: { keyId: villain.key.keyId, epoch: 1, secret: env.randomBytes(32) },
    createdAtMs: env.nowMs(),
    origin: server.url,
    directoryCommits: [env.randomBytes(64)],
  };
  return {
    commit: await signedBy(() => villain.seal({ ...place, entries: [entry] })),
    login: authPreimage(claim),
    delegation: await signedBy(() => signDelegation(crypto, privateKey, delegation)),
    publication: await signedBy(() => signPublication(crypto, privateKey, publication)),
    nothing: new Uint8Array(32).fill(1),
  };
}

function hasWithin(whole: Uint8Array, part: Uint8Array): boolean {
  return bytesToHex(whole).includes(bytesToHex(part));
}

/** A server like the real one, but for its challenges: those are what it wants signed. @returns its address, and how to end it */
async function serveChallenge(challenge: () => Uint8Array): Promise<{ url: string; close: () => void }> {
  const bodyOf = async (request: IncomingMessage): Promise<Buffer> => {
    const pieces: Buffer[] = [];
    for await (const piece of request) pieces.push(piece as Buffer);
    return Buffer.concat(pieces);
  };
  const relay = createServer((request, response) => {
    void (async () => {
      const body = await bodyOf(request);
      if (request.url?.endsWith("/challenge") === true) {
        response.setHeader("content-type", "application/json");
        response.end(JSON.stringify({ challenge: bytesToBase64url(challenge()) }));
        return;
      }
      const answer = await fetch(`${server.url}${request.url ?? ""}`, {
        method: request.method ?? "GET",
        headers: { "content-type": request.headers["content-type"] ?? "" },
        ...(request.method === "POST" && { body: new Uint8Array(body) }),
      });
      const { status } = answer;
      response.writeHead(status, { "content-type": answer.headers.get("content-type") ?? "" });
      response.end(Buffer.from(await answer.arrayBuffer()));
    })();
  });
  await new Promise<void>((resolve) => relay.listen(0, "127.0.0.1", resolve));
  const { port } = relay.address() as AddressInfo;
  return { url: `http://127.0.0.1:${port}`, close: () => void relay.close() };
}

/** Nothing that was signed is what was wanted, and each thing says first what it is. */
function expectNoneOf(wanted: Readonly<Record<string, Uint8Array>>): void {
  for (const preimage of signed) expect(domains).toContain(domainOf(preimage));
  for (const [name, bytes] of Object.entries(wanted))
    expect([name, signed.some((preimage) => Buffer.compare(preimage, bytes) === 0)]).toEqual([name, false]);
}

it("an application that says what it wants signed, in every place that takes words or bytes, has it signed nowhere", async () => {
  const { proof, victim } = stage;
  const { api } = victim.device;
  const { database, tenantId } = victim;
  const users = await addReplica(stage, "cn=somebody/o=acme");
  const wanted = await wantedOf(stage.bystander.author);
  const before = await stateOf(victim);
  for (const bytes of Object.values(wanted)) {
    const text = String.fromCharCode(...bytes);
    // As a name may be: without the control characters, of which a domain ends with one.
    const short = `${text.replaceAll(/[^ -~]/g, "_").slice(0, 60)}.`;
    const device = await startDevice(createMemoryStorage(env));
    // What refuses such words altogether signs nothing either.
    const attempt = (act: () => Promise<unknown>) => act().catch(() => undefined);
    await attempt(() => device.api.createTenant({ ...people, tenantName: short, userName: text }));
    await attempt(() => device.api.createUserId(text, "marble tunnel saffron"));
    const user = await device.api.createUserId(short, "marble tunnel saffron");
    const request = await device.api.createJoinRequest(user.key);
    const [docId = ""] = await api.createDocuments(database, [
      { [short]: text, bytes: new Uint8Array(bytes) },
    ]);
    const upload = await api.openUpload(database, docId);
    await api.writeUpload(upload, new Uint8Array(bytes));
    await api.finishUpload(upload);
    await attempt(() => api.createBranch(database, docId, short));
    await attempt(() => api.createKey(tenantId, short));
    await attempt(() => api.exportKey(tenantId, short, "lusab-babad-gutih-tugad"));
    await attempt(() =>
      api.setGroup(
        tenantId,
        short,
        { addUsers: [stage.bystander.author], removeUsers: [], addGroups: [], removeGroups: [] },
        proof,
      ),
    );
    await attempt(() => api.changeSettings(tenantId, undefined, [{ name: short, value: text }], proof));
    await attempt(() => api.openDatabase(tenantId, short, newSubscription()));
    const answer = { ...proof, sharePassword: "lusab-babad-gutih-tugad", expiresInMs: 60_000 };
    await attempt(() =>
      api.approveJoinRequest(tenantId, request, { ...answer, serverUrl: `${server.url}/${short}` }),
    );
    const presence = newSubscription();
    await attempt(() => api.openPresence(database, presence));
    await attempt(() => api.setPresence(presence, { [short]: text }));
    await attempt(() => api.broadcast(presence, short, text));
  }
  await reportOf(users, true);
  expectNoneOf(wanted);
  // All ways were gone.
  const asked = new Set(signed.map(domainOf));
  for (const domain of ["commit", "join-request", "join-response", "audit-signature"])
    expect([...asked].some((one) => one.startsWith(`coffer/${domain}/`))).toBe(true);
  for (const [id, value] of before) expect((await stateOf(victim)).get(id)).toEqual(value);
});

it("a server whose challenge is what it wants signed gets an answer to a challenge, and the device goes on with an honest one", async () => {
  const { proof, victim } = stage;
  const { api } = victim.device;
  const { tenantId } = victim;
  await api.publish(tenantId, server.url, proof);
  const wanted = await wantedOf(bytesToId("AuthorKey", idToBytes(proof.adminKey as AuthorKey)));
  const challenges = Object.values(wanted);
  const asked: Uint8Array[] = [];
  const hostile = await serveChallenge(() => {
    const challenge = challenges[asked.length % challenges.length] ?? new Uint8Array(0);
    asked.push(challenge);
    return challenge;
  });
  for (const _ of challenges) {
    await api.connect(tenantId, hostile.url);
    await expect(api.sync(tenantId, hostile.url)).rejects.toMatchObject({ code: /^(access|protocol)\// });
    await api.disconnect(tenantId, hostile.url);
  }
  hostile.close();
  expectNoneOf(wanted);
  // Each of them did reach what was signed, within an answer.
  for (const bytes of asked)
    expect(signed.some((one) => domainOf(one) === "coffer/auth/v1" && hasWithin(one, bytes))).toBe(true);
  expect(new Set(asked).size).toBe(challenges.length);

  await api.connect(tenantId, server.url);
  await api.sync(tenantId, server.url);
  await api.createDocuments(victim.database, [{ still: "works" }]);
  expect([...(await stateOf(victim)).values()]).toContainEqual({ still: "works" });
});

it("no domain is the beginning of another, and each is named once", () => {
  const ends = domains.map((domain) => `${domain}\0`);
  for (const one of ends)
    for (const other of ends) expect(one !== other && other.startsWith(one)).toBe(false);
  expect(new Set(domains).size).toBe(domains.length);
});
