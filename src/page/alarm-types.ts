/** What an application is told of a tenant that should not have happened, or that nobody may see. */
export interface AlarmEvent {
  readonly kind:
    | "gap"
    | "rollback"
    | "fork"
    | "withheld"
    | "equivocation"
    | "id-conflict"
    | "quarantined"
    | "wiped";
  readonly atMs: number;
  readonly detail: string;
}

export interface QuarantinedCommit {
  readonly commitHash: string;
  readonly reason: string;
  readonly atMs: number;
}
