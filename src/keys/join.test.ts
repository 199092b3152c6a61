import fc from "fast-check";
import { beforeAll, describe, expect, test } from "vitest";
import type { Crypto } from "../crypto/index.ts";
import {
  bytesToBase64url,
  bytesToId,
  concatBytes,
  idToBytes,
  isCofferError,
  parseBase64url,
  utf8ToBytes,
  type CofferErrorCode,
} from "../std/index.ts";
import {
  createGenesis,
  createIdentity,
  createVault,
  encodeJoinRequest,
  encodeJoinResponse,
  openJoinResponse,
  parseGenesis,
  parseJoinRequest,
  safetyNumber,
  type Genesis,
  type JoinResponse,
  type JoinResponseDraft,
  type UnlockedIdentity,
} from "./index.ts";
import { createSeededCrypto } from "./seeded-crypto.ts";
import { runsOf } from "../std/runs-fixtures.ts";

const crypto = createSeededCrypto("join");
const namesKey = new Uint8Array(32).fill(9);
const sharePassword = "lusab-babad-gutih-tugad";
const expiresAtMs = 2_000;
const directoryHead = bytesToId("CommitHash", new Uint8Array(32).fill(3));
const keys = [
  { keyId: bytesToId("KeyId", new Uint8Array(16).fill(4)), epoch: 1, secret: new Uint8Array(32).fill(5) },
];
const requestPrefix = "mdb://join-request/";
const responsePrefix = "mdb://join-response/";

let admin: UnlockedIdentity;
let guest: UnlockedIdentity;
let stranger: UnlockedIdentity;
let genesis: Genesis;
let requestUri: string;
let responseUri: string;

async function makeIdentity(userName: string): Promise<UnlockedIdentity> {
  const secrets = await createIdentity(crypto, userName);
  return (await createVault(crypto, { secrets, password: "tall ships sail", nowMs: 1 })).identity;
}
async function draftOf(change: Partial<JoinResponseDraft> = {}): Promise<JoinResponseDraft> {
  const request = await parseJoinRequest(crypto, requestUri);
  const serverUrl = "https://sync.example/";
  const base = {
    request,
    signer: admin,
    genesis,
    tenantName: "acme",
    serverUrl,
    namesKey,
    keys,
    directoryHead,
    sharePassword,
    expiresAtMs,
  };
  return { ...base, ...change };
}
async function codeOf(run: Promise<unknown>): Promise<CofferErrorCode | undefined> {
  try {
    await run;
    return undefined;
  } catch (error) {
    if (!isCofferError(error)) throw error;
    return error.code;
  }
}
interface Opening {
  readonly identity?: UnlockedIdentity;
  readonly sharePassword?: string;
  readonly nowMs?: number;
  readonly crypto?: Crypto;
}
const open = async (uri: string, options: Opening = {}): Promise<JoinResponse> =>
  openJoinResponse(options.crypto ?? crypto, uri, {
    identity: guest,
    sharePassword,
    nowMs: 1_000,
    ...options,
  });
const bytesOf = (uri: string): Uint8Array<ArrayBuffer> =>
  parseBase64url(uri.slice(uri.lastIndexOf("/") + 1))!;

/** Change a response and sign it again with the admin's key: what only the admin's own software could do. */
async function resign(
  uri: string,
  change: (signed: Uint8Array) => Uint8Array,
  signer = admin,
): Promise<string> {
  const bytes = bytesOf(uri);
  const signed = change(bytes.slice(0, -64));
  const message = concatBytes(utf8ToBytes("coffer/join-response/v1\0"), signed);
  return (
    responsePrefix +
    bytesToBase64url(concatBytes(signed, await crypto.sign(signer.signing.privateKey, message)))
  );
}

beforeAll(async () => {
  admin = await makeIdentity("cn=admin/o=acme");
  guest = await makeIdentity("cn=guest/o=acme");
  stranger = await makeIdentity("cn=eve/o=acme");
  genesis = createGenesis(crypto, { admin: admin.publicIdentity, namesKey, tenantName: "acme" });
  requestUri = await encodeJoinRequest(crypto, guest, 500);
  responseUri = await encodeJoinResponse(crypto, await draftOf());
});

describe("genesis", () => {
  test("comes back as it was; its id depends on every byte", () => {
    expect(parseGenesis(crypto, genesis.bytes)).toEqual(genesis);
    expect(genesis).toMatchObject({
      adminSigningKey: admin.publicIdentity.signingKey,
      adminEncryptionKey: admin.publicIdentity.encryptionKey,
    });
    const ids = new Set([genesis.tenantId]);
    for (let at = 1; at < genesis.bytes.length; at++) {
      ids.add(parseGenesis(crypto, genesis.bytes.with(at, (genesis.bytes[at] ?? 0) ^ 1))!.tenantId);
    }
    expect(ids.size).toBe(genesis.bytes.length);
  });

  test("two tenants of one name and admin have two ids", () => {
    const again = createGenesis(crypto, { admin: admin.publicIdentity, namesKey, tenantName: "acme" });
    expect(again.tenantId).not.toBe(genesis.tenantId);
    expect(again.nameCommitment).toEqual(genesis.nameCommitment);
  });

  test("of another version or length is none", () => {
    expect(parseGenesis(crypto, genesis.bytes.with(0, 2))).toBeUndefined();
    expect(parseGenesis(crypto, genesis.bytes.subarray(1))).toBeUndefined();
    expect(parseGenesis(crypto, concatBytes(genesis.bytes, new Uint8Array(1)))).toBeUndefined();
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        const parsed = parseGenesis(crypto, bytes);
        expect(parsed === undefined || bytes.length === 113).toBe(true);
      }),
    );
  });
});

describe("join request", () => {
  test("carries public keys only, and the time", async () => {
    const request = await parseJoinRequest(crypto, requestUri);
    expect(request).toMatchObject({ identity: guest.publicIdentity, createdAtMs: 500 });
    expect(request.requestHash).toEqual(crypto.sha256(bytesOf(requestUri).subarray(0, -64)));
  });

  test("is forged when any bit of it was changed", async () => {
    const bytes = bytesOf(requestUri);
    for (let at = 2; at < bytes.length; at++) {
      const flipped = bytes.with(at, (bytes[at] ?? 0) ^ (1 << (at % 8)));
      const code = await codeOf(parseJoinRequest(crypto, requestPrefix + bytesToBase64url(flipped)));
      expect(["entry/forged", "input/invalid"]).toContain(code);
      if (at < 66 || at >= bytes.length - 64) expect(code).toBe("entry/forged");
    }
  });
});

describe("join response", () => {
  test("opens for the one who asked, with the share password", async () => {
    const { request: _request, signer: _signer, sharePassword: _share, ...content } = await draftOf();
    expect(await open(responseUri)).toEqual({ ...content, link: undefined, keyNames: [] });
  });

  test("without a server, with 200 keys, fits", async () => {
    const many = Array.from({ length: 200 }, (_, epoch) => ({ ...keys[0]!, epoch }));
    const uri = await encodeJoinResponse(crypto, await draftOf({ keys: many, serverUrl: undefined }));
    expect(uri.length).toBeLessThanOrEqual(16 * 1024);
    const opened = await open(uri);
    expect([opened.keys.length, opened.serverUrl]).toEqual([200, undefined]);
    expect(
      await codeOf(
        encodeJoinResponse(crypto, await draftOf({ keys: [...many, { ...keys[0]!, epoch: 200 }] })),
      ),
    ).toBe("input/too-large");
  });

  test("is refused with what is wrong with it", async () => {
    expect(await codeOf(open(responseUri, { sharePassword: "lusab-babad-gutih-tugab" }))).toBe(
      "key/wrong-password",
    );
    expect(await codeOf(open(responseUri, { nowMs: expiresAtMs }))).toBe("input/expired");
    expect(await codeOf(open(responseUri, { nowMs: expiresAtMs - 1 }))).toBeUndefined();
    expect(await codeOf(open(responseUri, { identity: stranger }))).toBe("input/invalid");
    const renamed = { ...guest, publicIdentity: { ...guest.publicIdentity, userName: "cn=owner/o=acme" } };
    expect(await codeOf(open(responseUri, { identity: renamed }))).toBe("input/invalid");
  });

  test("of a foreign admin is forged", async () => {
    expect(await codeOf(open(await resign(responseUri, (signed) => signed, stranger)))).toBe("entry/forged");
    const own = createGenesis(crypto, { admin: stranger.publicIdentity, namesKey, tenantName: "acme" });
    const swapped = await resign(
      responseUri,
      (signed) => concatBytes(signed.subarray(0, 2), own.bytes, signed.subarray(115)),
      stranger,
    );
    // The stranger signs under a root of their own, which has another tenant id; what the admin sealed does not open there.
    expect(await codeOf(open(swapped))).toBe("key/wrong-password");
    expect(own.tenantId).not.toBe(genesis.tenantId);
  });

  test("is forged when any bit of it was changed", async () => {
    const bytes = bytesOf(responseUri);
    const allowed = new Set<CofferErrorCode | undefined>([
      "entry/forged",
      "input/invalid",
      "protocol/version",
    ]);
    for (let at = 0; at < bytes.length; at++) {
      const flipped = bytes.with(at, (bytes[at] ?? 0) ^ (1 << (at % 8)));
      expect(allowed.has(await codeOf(open(responsePrefix + bytesToBase64url(flipped))))).toBe(true);
    }
  });

  test("to a device is its user's own, says which commit links it, and is forged when any bit of it was changed", async () => {
    const link = {
      user: guest.publicIdentity.signingKey,
      commit: directoryHead,
      keyNames: ["salaries", "böard"],
    };
    const uri = await encodeJoinResponse(crypto, await draftOf({ signer: stranger, link }));
    const by = stranger.publicIdentity.signingKey;
    const { user, commit, keyNames } = link;
    const { signer: _signer, request: _request, sharePassword: _share, ...content } = await draftOf();
    expect(await open(uri)).toEqual({ ...content, keyNames, link: { by, user, commit } });
    const bytes = bytesOf(uri);
    for (let at = 0; at < bytes.length; at++) {
      const flipped = bytes.with(at, (bytes[at] ?? 0) ^ (1 << (at % 8)));
      expect(await codeOf(open(responsePrefix + bytesToBase64url(flipped)))).toMatch(
        /^(entry\/forged|input\/invalid|protocol\/version)$/,
      );
    }
    // Neither passes for the other, and nobody puts their key, another user or another commit into it.
    for (const [from, to] of [
      [uri, 2],
      [responseUri, 4],
    ] as const) {
      const turned = bytesOf(from).with(1, to);
      expect(await codeOf(open(responsePrefix + bytesToBase64url(turned)))).toMatch(
        /^(entry\/forged|input\/invalid)$/,
      );
    }
    const signing = async (change: (signed: Uint8Array) => Uint8Array): Promise<string> => {
      const signed = change(bytes.subarray(0, -64));
      const message = concatBytes(utf8ToBytes("coffer/device-response/v1\0"), signed);
      const signature = await crypto.sign(admin.signing.privateKey, message);
      return responsePrefix + bytesToBase64url(concatBytes(signed, signature));
    };
    const own = idToBytes(admin.publicIdentity.signingKey);
    const taken = await signing((signed) => concatBytes(signed.subarray(0, 115), own, signed.subarray(147)));
    expect(await codeOf(open(taken))).toBe("key/wrong-password");
    expect(await codeOf(open(await signing((signed) => signed)))).toBe("entry/forged");
    // A writer keeps what a reader checks.
    const named = await draftOf({ link: { ...link, keyNames: ["x".repeat(257)] } });
    expect(await codeOf(encodeJoinResponse(crypto, named))).toBe("input/invalid");
  });

  test("binds every field to what is sealed, even under the admin's own signature", async () => {
    const signedBytes = bytesOf(responseUri).length - 64;
    for (let at = 115; at < signedBytes; at++) {
      const changed = await resign(responseUri, (signed) => signed.with(at, (signed[at] ?? 0) ^ 1));
      expect(await codeOf(open(changed, { nowMs: 0 }))).toMatch(
        /^(input\/invalid|input\/expired|key\/wrong-password)$/,
      );
    }
  });

  test("is not written for another admin, another name, a weak share password, a bad address", async () => {
    const refuse = async (change: Partial<JoinResponseDraft>): Promise<CofferErrorCode | undefined> =>
      codeOf(encodeJoinResponse(crypto, await draftOf(change)));
    expect(await refuse({ signer: stranger })).toBe("access/not-admin");
    expect(await refuse({ tenantName: "acne" })).toBe("input/invalid");
    expect(await refuse({ namesKey: new Uint8Array(32) })).toBe("input/invalid");
    for (const weak of ["", "1234567", "password"])
      expect(await refuse({ sharePassword: weak })).toBe("input/weak-password");
    for (const serverUrl of [
      "",
      "sync.example",
      "ftp://sync.example",
      "https://me:secret@sync.example",
      `https://${"a".repeat(1100)}`,
      "javascript:alert(1)",
    ]) {
      expect(await refuse({ serverUrl })).toBe("input/invalid");
    }
  });

  test("with a name that the genesis did not commit to is forged, though the admin sealed it", async () => {
    const lying = { ...crypto, hmacSha256: () => genesis.nameCommitment.slice() };
    const uri = await encodeJoinResponse(lying, await draftOf({ tenantName: "acne" }));
    expect(await codeOf(open(uri))).toBe("entry/forged");
    expect((await open(uri, { crypto: lying })).tenantName).toBe("acne");
  });

  test("with a real password function opens, and asks for no work outside the limits", async () => {
    const real = createSeededCrypto("join real", "real");
    const uri = await encodeJoinResponse(real, await draftOf());
    expect((await open(uri, { crypto: real })).tenantName).toBe("acme");
    const bomb = await resign(uri, (signed) => {
      new DataView(signed.buffer).setUint32(2 + 113 + 32 + 8 + 8 + 1, 0xffff_ffff);
      return signed;
    });
    expect(await codeOf(open(bomb, { crypto: real }))).toBe("key/parameters");
  });
});

describe("any text", () => {
  const parseRequest = async (uri: string): Promise<CofferErrorCode | undefined> =>
    codeOf(parseJoinRequest(crypto, uri));
  const parseResponse = async (uri: string): Promise<CofferErrorCode | undefined> => codeOf(open(uri));
  const spoil = (uri: string, change: (bytes: Uint8Array) => Uint8Array, prefix: string): string =>
    prefix + bytesToBase64url(change(bytesOf(uri)));

  const badRequests: readonly (readonly [string, () => string, CofferErrorCode])[] = [
    ["nothing", () => "", "input/invalid"],
    ["another scheme", () => requestUri.replace("mdb:", "https:"), "input/invalid"],
    ["another case of the scheme", () => requestUri.replace("mdb:", "MDB:"), "input/invalid"],
    ["only a prefix", () => requestPrefix, "input/invalid"],
    ["white space around it", () => ` ${requestUri}\n`, "input/invalid"],
    ["padding", () => `${requestUri}=`, "input/invalid"],
    ["characters beyond base64url", () => `${requestUri.slice(0, -1)}+`, "input/invalid"],
    ["10 MB", () => requestPrefix + "A".repeat(10_000_000), "input/too-large"],
    [
      "a response under its prefix",
      () => requestPrefix + bytesToBase64url(bytesOf(responseUri)),
      "input/invalid",
    ],
    ["a response", () => responseUri, "input/invalid"],
    ["version 0", () => spoil(requestUri, (bytes) => bytes.with(0, 0), requestPrefix), "protocol/version"],
    [
      "version 999",
      () => spoil(requestUri, (bytes) => bytes.with(0, 231), requestPrefix),
      "protocol/version",
    ],
    ["an unknown kind", () => spoil(requestUri, (bytes) => bytes.with(1, 3), requestPrefix), "input/invalid"],
    [
      "one byte more",
      () => spoil(requestUri, (bytes) => concatBytes(bytes, new Uint8Array(1)), requestPrefix),
      "input/invalid",
    ],
    [
      "its first byte missing",
      () => spoil(requestUri, (bytes) => bytes.subarray(1), requestPrefix),
      "input/invalid",
    ],
    [
      "JSON with prototype keys",
      () => requestPrefix + bytesToBase64url(utf8ToBytes('{"__proto__":{"x":1},"v":999}'.repeat(9))),
      "protocol/version",
    ],
  ];
  test.each(badRequests)("as a request: %s", async (_name, uri, code) =>
    expect(await parseRequest(uri())).toBe(code),
  );

  const badResponses: readonly (readonly [string, () => string, CofferErrorCode])[] = [
    [
      "a request under its prefix",
      () => responsePrefix + bytesToBase64url(bytesOf(requestUri)),
      "input/invalid",
    ],
    ["a request", () => requestUri, "input/invalid"],
    ["10 MB", () => responsePrefix + "A".repeat(10_000_000), "input/too-large"],
    ["version 2", () => spoil(responseUri, (bytes) => bytes.with(0, 2), responsePrefix), "protocol/version"],
    [
      "a genesis of version 2",
      () => spoil(responseUri, (bytes) => bytes.with(2, 2), responsePrefix),
      "input/invalid",
    ],
    [
      "an unknown password function",
      () => spoil(responseUri, (bytes) => bytes.with(163, 3), responsePrefix),
      "input/invalid",
    ],
    [
      "a field twice",
      () =>
        spoil(
          responseUri,
          (bytes) => concatBytes(bytes.subarray(0, 147), bytes.subarray(115)),
          responsePrefix,
        ),
      "input/invalid",
    ],
  ];
  test.each(badResponses)("as a response: %s", async (_name, uri, code) =>
    expect(await parseResponse(uri())).toBe(code),
  );

  test("as a response to a device, cut off anywhere", async () => {
    const link = {
      user: stranger.publicIdentity.signingKey,
      commit: bytesToId("CommitHash", new Uint8Array(32).fill(9)),
      keyNames: ["notes"],
    };
    const bytes = bytesOf(await encodeJoinResponse(crypto, await draftOf({ signer: stranger, link })));
    for (let size = 2; size < bytes.length; size++) {
      const outcome = await parseResponse(responsePrefix + bytesToBase64url(bytes.subarray(0, size)));
      // What is cut off behind all fields is a shorter secret and another signature.
      expect(outcome, `${size} bytes`).toMatch(/^(input\/invalid|entry\/forged)$/);
    }
  });

  test("gets a typed error", async () => {
    const body = fc.uint8Array({ maxLength: 400 }).map((bytes) => bytesToBase64url(bytes));
    const versioned = fc
      .tuple(fc.constantFrom(1, 2), fc.uint8Array({ maxLength: 400 }))
      .map(([kind, bytes]) => bytesToBase64url(new Uint8Array([1, kind, ...bytes])));
    const prefix = fc.constantFrom(requestPrefix, responsePrefix, "");
    const uri = fc
      .tuple(prefix, fc.oneof(body, versioned, fc.string({ unit: "binary" })))
      .map((parts) => parts.join(""));
    await fc.assert(
      fc.asyncProperty(uri, async (text) => {
        expect(await parseRequest(text)).toMatch(/^(input|protocol|entry)\//);
        expect(await parseResponse(text)).toMatch(/^(input|protocol|entry)\//);
      }),
      { numRuns: runsOf(500) },
    );
  });
});

describe("safety number", () => {
  test("is 60 digits in 15 groups, and another for any other party", () => {
    const parties = {
      tenantId: genesis.tenantId,
      adminKey: admin.publicIdentity.signingKey,
      memberKey: guest.publicIdentity.signingKey,
    };
    const number = safetyNumber(crypto, parties);
    expect(number).toMatch(/^\d{4}( \d{4}){14}$/);
    expect(safetyNumber(crypto, { ...parties })).toBe(number);
    const others = [
      { ...parties, memberKey: stranger.publicIdentity.signingKey },
      { ...parties, adminKey: stranger.publicIdentity.signingKey },
      { ...parties, adminKey: parties.memberKey, memberKey: parties.adminKey },
      { ...parties, tenantId: bytesToId("TenantId", new Uint8Array(32)) },
    ].map((other) => safetyNumber(crypto, other));
    expect(new Set([number, ...others]).size).toBe(5);
  });
});
