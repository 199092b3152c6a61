/**
 * Passkeys as keepers of a secret: the PRF extension of WebAuthn gives, for one credential and one salt, the same 32 bytes each time, and
 * only after the authenticator has verified its user.
 *
 * No server checks the signatures, so the challenges are random and forgotten: what proves anything is that the secret opens the vault.
 * The authenticator, and whoever keeps it in step between devices, is shown the user's name.
 *
 * @see https://www.w3.org/TR/webauthn-3/#prf-extension
 */
import { bytesToBase64url, CofferError, createPageEnv, toCofferError } from "../std/index.ts";
import type { KnownPasskey } from "../../worker/api.ts";

const { randomBytes } = createPageEnv();

/** What is used of the browser: this file is also read where there is no page. */
interface Page {
  readonly PublicKeyCredential?: unknown;
  readonly document: { readonly title: string };
  readonly location: { readonly hostname: string };
  readonly navigator: {
    readonly credentials: {
      create(options: object): Promise<PrfCredential | null>;
      get(options: object): Promise<PrfCredential | null>;
    };
  };
}

interface PrfCredential {
  readonly rawId: ArrayBuffer;
  getClientExtensionResults(): {
    readonly prf?: {
      readonly enabled?: boolean;
      readonly results?: { readonly first: ArrayBuffer | ArrayBufferView };
    };
  };
}

const page = globalThis as unknown as Page;

/** What an authenticator gave. */
export interface PasskeySecret {
  readonly credentialId: Uint8Array;
  /** 32 bytes */
  readonly output: Uint8Array;
}

/**
 * Make a passkey of this site.
 *
 * @throws aborted when its user does not want to, or has it here already; key/missing when it keeps no secrets
 */
export async function createPasskey({
  userName,
  known,
}: {
  readonly userName: string;
  readonly known: readonly KnownPasskey[];
}): Promise<PasskeySecret & { readonly salt: Uint8Array }> {
  const salt = randomBytes(32);
  const made = await ask(async () =>
    page.navigator.credentials.create({
      publicKey: {
        rp: { name: page.document.title === "" ? page.location.hostname : page.document.title },
        user: { id: randomBytes(32), name: userName, displayName: userName },
        challenge: randomBytes(32),
        pubKeyCredParams: [-8, -7, -257].map((alg) => ({ type: "public-key", alg })),
        authenticatorSelection: { residentKey: "preferred", userVerification: "required" },
        excludeCredentials: known.map(({ credentialId }) => describe(credentialId)),
        extensions: { prf: { eval: { first: salt } } },
      },
    }),
  );
  const credentialId = new Uint8Array(made.rawId);
  const results = made.getClientExtensionResults();
  const output = outputOf(results);
  if (output !== undefined) return { credentialId, output, salt };
  if (results.prf?.enabled !== true) throw keepsNoSecret();
  // Many give the secret only when they are asked for it, and not when they are made.
  return { ...(await askPasskey([{ credentialId, salt }])), salt };
}

/**
 * Ask for the secret of one of some passkeys.
 *
 * @throws aborted when it is not given; key/missing when there are none, or it keeps no secrets
 */
export async function askPasskey(known: readonly KnownPasskey[]): Promise<PasskeySecret> {
  if (known.length === 0)
    throw new CofferError("key/missing", { what: "passkey", message: "No passkey opens this here." });
  const asked = known.map(
    ({ credentialId, salt }) => [bytesToBase64url(credentialId), { first: salt }] as const,
  );
  const given = await ask(async () =>
    page.navigator.credentials.get({
      publicKey: {
        challenge: randomBytes(32),
        allowCredentials: known.map(({ credentialId }) => describe(credentialId)),
        userVerification: "required",
        extensions: { prf: { evalByCredential: Object.fromEntries(asked) } },
      },
    }),
  );
  const output = outputOf(given.getClientExtensionResults());
  if (output === undefined) throw keepsNoSecret();
  return { credentialId: new Uint8Array(given.rawId), output };
}

async function ask(run: () => Promise<PrfCredential | null>): Promise<PrfCredential> {
  if (page.PublicKeyCredential === undefined) throw keepsNoSecret();
  try {
    const credential = await run();
    if (credential !== null) return credential;
  } catch (cause) {
    throw toCofferError(cause, "aborted");
  }
  throw new CofferError("aborted");
}

function outputOf({ prf }: ReturnType<PrfCredential["getClientExtensionResults"]>): Uint8Array | undefined {
  const first = prf?.results?.first;
  if (first === undefined) return undefined;
  const bytes = ArrayBuffer.isView(first)
    ? new Uint8Array(first.buffer, first.byteOffset, first.byteLength)
    : new Uint8Array(first);
  return bytes.length === 32 ? bytes : undefined;
}

function describe(credentialId: Uint8Array): { readonly type: string; readonly id: Uint8Array } {
  return { type: "public-key", id: credentialId };
}

function keepsNoSecret(): CofferError {
  return new CofferError("key/missing", {
    what: "passkey",
    message:
      "This browser or authenticator cannot keep a key for this site. Use a password or a recovery code.",
  });
}
