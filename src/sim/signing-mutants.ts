/** Broken products that sign what somebody else chose, and those that keep what nobody wrote. */
import type { SourceMutant } from "./security-mutants.ts";

const signingTest = "src/tenant/signing-attack.test.ts";
const waitingTest = "src/tenant/waiting-attack.test.ts";

/** What is signed, and what is waited for. */
export const signing: readonly SourceMutant[] = [
  {
    name: "a server has its challenge signed as it is",
    file: "src/sync/auth.ts",
    from: "const signature = await crypto.sign(signer.privateKey, authPreimage(claim));",
    to: "const signature = await crypto.sign(signer.privateKey, claim.challenge);",
    killedBy: { file: signingTest, test: "a server whose challenge is what it wants signed" },
  },
  {
    name: "a request does not say that it is one before it is signed",
    file: "src/keys/join-uri.ts",
    from: "const signature = await crypto.sign(signingKey, concatBytes(domain, signed));",
    to: "const signature = await crypto.sign(signingKey, signed.length > 0 ? signed : domain);",
    killedBy: { file: signingTest, test: "an application that says what it wants signed" },
  },
  {
    name: "an entry waits for all that it lacks at once",
    file: "src/tenant/judge.ts",
    from: "state.ledger.needs.add(verdict.need, row.commitHash);",
    to: "for (const hash of commit.entries[index]?.header?.dependencies ?? []) state.ledger.needs.add(`entry/${hash}`, row.commitHash);",
    killedBy: { file: waitingTest, test: "two hundred thousand names of entries that nobody wrote" },
  },
  {
    name: "an entry may name any number of others",
    file: "src/entry/codec.ts",
    from: 'if (count > limit) reader.fail("limit");',
    to: "",
    killedBy: { file: waitingTest, test: "what names more than there may be" },
  },
];
