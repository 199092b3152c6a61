/** What verifying a report says, as types. Hashes and keys are base64url texts. */
import type { AuditDeed } from "./deeds.ts";
import type { AuditedLog } from "./logs.ts";
import type { AuditClaim } from "./report.ts";

/** A commit of a report: who wrote what, and what the exporter's device says of it. */
export interface AuditedCommit extends AuditClaim {
  readonly commitHash: string;
  readonly author: string;
  readonly databaseId: string;
  /** by the author's clock */
  readonly atMs: number;
  readonly deeds: readonly AuditDeed[];
}

/** Where the report lacks something that one of its commits stands on. */
export interface AuditGap {
  readonly commitHash: string;
  /** a commit that it follows is not there; it is not the next number of its writer; or that number was given twice */
  readonly kind: "predecessor" | "sequence" | "twin";
}

/** A member as the directory of a report says. */
export interface AuditedMember {
  readonly key: string;
  /** whose device it is; their own key for a user */
  readonly user: string;
  /** where the report shows cards */
  readonly name: string | undefined;
  readonly isRevoked: boolean;
}

/** What verifying a report says; `at`: which of the commits it is about, counted through the report from 0. */
export type AuditVerdict =
  | {
      readonly kind: "verified";
      readonly tenantId: string;
      readonly adminKey: string;
      readonly exporter: string;
      readonly createdAtMs: number;
      readonly members: readonly AuditedMember[];
      readonly commits: readonly AuditedCommit[];
      readonly gaps: readonly AuditGap[];
      /** nothing where the exporter's device keeps no server's head */
      readonly logs: readonly AuditedLog[];
    }
  | {
      readonly kind: "refused";
      readonly reason:
        | "malformed"
        | "version"
        | "limit"
        /** the report is of another tenant than the one asked for */
        | "foreign"
        /** not signed by the exporter that it names */
        | "signature"
        /** the exporter is no member */
        | "exporter"
        /** a commit is not what its author signed, or not of this tenant */
        | "commit"
        /** the directory is not the admin's line, or something of it is hidden */
        | "directory"
        /** commits are doubled or not in their order */
        | "order"
        /** what is claimed of a commit is not what the directory says */
        | "verdict"
        /** a head is not what its server signed for this tenant, or the commits are not the leaves under it */
        | "head";
      readonly at: number | undefined;
    };
