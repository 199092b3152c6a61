/** What should not have happened, as an application sees it. */

export interface AlarmEvent {
  readonly kind: "gap" | "rollback" | "fork" | "withheld" | "equivocation" | "id-conflict" | "quarantined";
  readonly atMs: number;
  readonly detail: string;
}

export interface QuarantinedCommit {
  readonly commitHash: string;
  readonly reason: string;
  readonly atMs: number;
}
