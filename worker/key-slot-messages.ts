/** What the page says of ways into vaults, judged. */
import { CofferError } from "../src/std/index.ts";
import type { UnlockSecret } from "../src/keys/index.ts";
import type { AddedSlot } from "../src/tenant/index.ts";
import { readFields, readString } from "./page-messages.ts";

const maxPartBytes = 1023;

/** Read what is to open a vault. @throws `input/invalid` with `at` unless it is exactly one thing */
export function readSecret(message: unknown, at: string): UnlockSecret {
  const { password, recoveryCode, passkey } = readFields(message, at);
  requireOne([password, recoveryCode, passkey], at);
  if (password !== undefined) return { kind: "password", password: readString(password, `${at}.password`) };
  if (recoveryCode !== undefined)
    return { kind: "recovery-code", code: readString(recoveryCode, `${at}.recoveryCode`) };
  return readPasskey(passkey, `${at}.passkey`);
}

/** Read whether something is to open a vault, and what. @throws as {@link readSecret} */
export function readSecretIfAny(message: unknown, at: string): UnlockSecret | undefined {
  const { password, recoveryCode, passkey } = readFields(message, at);
  const isNone = [password, recoveryCode, passkey].every((part) => part === undefined);
  return isNone ? undefined : readSecret(message, at);
}

/** Read a way in that is to be made. @throws `input/invalid` with `at` */
export function readNewSlot(message: unknown): AddedSlot {
  const { password, recoveryCode, passkey } = readFields(message, "slot");
  requireOne([password, recoveryCode, passkey], "slot");
  if (password !== undefined) return { kind: "password", password: readString(password, "slot.password") };
  if (recoveryCode === true) return { kind: "recovery-code" };
  const fields = readFields(passkey, "slot.passkey");
  return { ...readPasskey(fields, "slot.passkey"), salt: readBytes(fields["salt"], "slot.passkey.salt") };
}

function readPasskey(message: unknown, at: string): Extract<UnlockSecret, { kind: "passkey" }> {
  const { credentialId, output } = readFields(message, at);
  return {
    kind: "passkey",
    credentialId: readBytes(credentialId, `${at}.credentialId`),
    output: readBytes(output, `${at}.output`),
  };
}

function readBytes(message: unknown, at: string): Uint8Array<ArrayBuffer> {
  if (message instanceof Uint8Array && message.length <= maxPartBytes) return new Uint8Array(message);
  throw new CofferError("input/invalid", { at });
}

function requireOne(parts: readonly unknown[], at: string): void {
  if (parts.filter((part) => part !== undefined).length !== 1) throw new CofferError("input/invalid", { at });
}
