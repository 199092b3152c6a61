/**
 * What each code says when nothing more exact is known. An error takes its text along when it crosses a thread, so the page, which has a
 * budget of bytes, carries only the texts of the errors that it makes itself.
 */
import type { CofferErrorCode } from "./error-codes.ts";
import { addErrorMessages, type OwnMessageCode } from "./error.ts";

/** Give the errors of this thread their texts. Called first by each thread whose errors somebody reads, other than a page. */
export function installErrorMessages(): void {
  addErrorMessages(messages);
}

const messages: Readonly<Record<Exclude<CofferErrorCode, OwnMessageCode>, string>> = {
  "store/closed": "The database was closed.",
  "key/missing": "The key for this data is not on this device.",
  "input/invalid": "The input is not valid.",
  "input/schema": "The value does not fit the schema.",
  "input/too-large": "The input is too large. Split it into smaller parts.",
  "input/expired": "This invitation has expired. Ask for a new one.",
  "input/used": "This invitation was already used. Ask for a new one.",
  "input/weak-password": "This password is too easy to guess. Choose a longer one.",
  "input/unknown-id": "There is nothing with this id on this device.",
  "access/unauthenticated": "The server does not know this device. Sign in again.",
  "access/revoked": "An admin has revoked this user's access.",
  "access/not-admin": "Only an admin of this tenant can do this.",
  "access/denied": "This is not allowed.",
  "key/wrong-password": "The password is wrong.",
  "key/parameters": "The key derivation parameters are outside the accepted range.",
  "entry/forged": "The data was not written by who it says.",
  "entry/corrupt": "The stored data is damaged.",
  "store/quota": "The browser's storage is full. Free some space and try again; nothing was lost.",
  "store/blocked": "Another tab holds an older version of the database open. Close it and try again.",
  "store/failed": "The browser's database failed. Try again.",
  "net/offline": "There is no network. The change is kept and sent later.",
  "net/timeout": "The server did not answer in time.",
  "net/rate-limited": "The server asks to slow down. It is tried again later.",
  "net/failed": "The server could not be reached or failed.",
  "directory/behind": "The server does not know the newest directory yet. It is tried again.",
  "protocol/version": "The other side speaks another version. Update the application.",
  "protocol/malformed": "The other side sent something that cannot be read.",
};
