/** What was done, in plain words. Pure. */
import type { AuditDeed, AuditStep } from "cofferdb";
import { formatCount } from "./format.ts";

const documentWords: { readonly [what: string]: readonly [one: string, many: string] } = {
  doc_create: ["made a film", "made # films"],
  doc_change: ["changed a film", "made # changes"],
  doc_snapshot: ["sealed a film anew", "sealed # films anew"],
  doc_delete: ["deleted a film", "deleted # films"],
  doc_purge: ["erased a film", "erased # films"],
  attachment_chunk: ["added a piece of a file", "added # pieces of files"],
  sealed: ["wrote something sealed", "wrote # sealed things"],
  directory_record: [
    "wrote a record that is not for this device",
    "wrote # records that are not for this device",
  ],
};

/** Deeds of the directory; `WHO` stands for whom it is about. */
const recordWords: { readonly [what: string]: string } = {
  grantaccess: "let WHO in",
  revokeaccess: "revoked WHO",
  membercard: "wrote down the name of WHO",
  group: "changed a group",
  groupcard: "named a group",
  role: "changed roles",
  narrowing: "took rights away",
  tenantsettings: "changed settings",
  dbsettings: "changed settings of a database",
  keyepoch: "gave out a key",
  purge: "had a film erased everywhere",
  wipe: "had WHO's devices wiped",
  adopt: "let refused changes count",
};

/** Say what a commit did. `nameOf` names a user by their key. */
export function describeDeeds(deeds: readonly AuditDeed[], nameOf: (key: string) => string): string {
  const counts = new Map<string, { readonly first: AuditDeed; count: number }>();
  for (const deed of deeds) {
    const known = counts.get(deed.what);
    if (known === undefined) counts.set(deed.what, { first: deed, count: 1 });
    else known.count += 1;
  }
  const parts = [...counts].map(([what, { count, first }]) => {
    const [one, many] = documentWords[what] ?? [];
    if (one !== undefined && many !== undefined)
      return count === 1 ? one : many.replace("#", formatCount(count));
    const who = first.userKey === undefined ? "someone" : nameOf(first.userKey);
    return (recordWords[what] ?? what).replace("WHO", who);
  });
  return parts.length === 0 ? "wrote what cannot be read here" : parts.join(", ");
}

/** Whether a commit is the admin's: nobody else writes into the directory. */
export function isAdmins({ deeds, verdict }: AuditStep): boolean {
  return verdict === "accepted" && deeds.some(({ what }) => Object.hasOwn(recordWords, what));
}

/** What became of a commit; undefined where there is nothing to say. */
export function describeVerdict({
  chain,
  reason,
  refused,
  verdict,
  verified,
}: AuditStep): string | undefined {
  if (!verified) return "damaged on this device";
  if (chain === "fork") return "one of two written for the same place";
  if (chain === "gap") return "something before it is missing here";
  if (verdict === "quarantined") return `put aside: ${reason === "" ? refused : reason}`;
  if (verdict === "waiting") return reason === "key" ? "sealed for others" : `waits: ${reason}`;
  return refused === "" ? undefined : `partly put aside: ${refused}`;
}
