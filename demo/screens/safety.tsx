/** What was noticed and kept apart: alarms about servers and members, commits that did not hold; and who did what. */
import { useSignal } from "@preact/signals";
import type { AlarmEvent, QuarantinedCommit } from "cofferdb";
import { AdminForm } from "../parts/admin-form.tsx";
import { Icon } from "../parts/icon.tsx";
import { lazily } from "../parts/lazily.tsx";
import { notify } from "../state/activity.ts";
import type { Space } from "../state/space.ts";
import { WaysIn } from "./ways-in.tsx";
import { formatMoment, shortId } from "../text/format.ts";

const Audit = lazily(async () => (await import("./audit.tsx")).Audit, {
  className: "form",
  label: "Who did what",
  words: "Opening the log…",
});

const alarmWords: Record<AlarmEvent["kind"], string> = {
  gap: "Something in a member's sequence of commits is missing.",
  rollback: "The server has shown an older state than before.",
  fork: "A server has shown different histories, or a member says so.",
  withheld: "The server holds something back.",
  equivocation: "A member has signed two different commits for the same place.",
  "id-conflict": "Two different commits claim the same id.",
  wiped: "The admin had this device forget the space.",
  quarantined: "A commit was put aside because it did not hold.",
};

/** Alarms, quarantine, and what opens the space. */
export function Safety({ space }: { readonly space: Space }) {
  const { tenant } = space;
  const alarms = tenant.alarms.value;
  const quarantine = tenant.quarantine.value;
  return (
    <section class="page" aria-labelledby="safety-title">
      <header class="page-head">
        <h1 id="safety-title">Safety</h1>
      </header>
      <section aria-labelledby="alarms-title">
        <h2 id="alarms-title">Alarms</h2>
        {alarms.length === 0 ? (
          <AllGood text="No alarms. Every history that a server has shown fits what this device has seen before." />
        ) : (
          <ul class="plain records" data-testid="alarms">
            {alarms.map((alarm, index) => (
              <Alarm key={index} space={space} alarm={alarm} />
            ))}
          </ul>
        )}
      </section>
      <section aria-labelledby="quarantine-title">
        <h2 id="quarantine-title">Quarantine</h2>
        {quarantine.length === 0 ? (
          <AllGood text="Nothing in quarantine. Every commit was signed by a member who was allowed to write it." />
        ) : (
          <>
            <p class="hint">
              These commits arrived and did not hold. They are kept as evidence and have no effect on any
              document.
            </p>
            <ul class="plain records" data-testid="quarantine">
              {quarantine.map((commit) => (
                <PutAside key={commit.commitHash} space={space} commit={commit} />
              ))}
            </ul>
          </>
        )}
      </section>
      <Audit space={space} />
      <WaysIn space={space} />
    </section>
  );
}

interface AlarmProps {
  readonly space: Space;
  readonly alarm: AlarmEvent;
}

/** An alarm; two lines of the directory can be brought together by the admin. */
function Alarm({ space: { tenant }, alarm: { atMs, detail, endedAtMs, heads, kind } }: AlarmProps) {
  const isOpen = useSignal(false);
  const canMerge = heads !== undefined && endedAtMs === undefined && tenant.adminUser.value !== undefined;
  return (
    <li class="record">
      <Icon name="warning" />
      <div class="form">
        <div>
          <strong>{heads === undefined ? alarmWords[kind] : forkWords(endedAtMs !== undefined)}</strong>
          <p class="muted">
            {formatMoment(atMs, Date.now())} ·{" "}
            {heads === undefined ? detail : heads.map((head) => shortId(head)).join(" and ")}
          </p>
        </div>
        {canMerge ? (
          <div class="actions">
            <button
              type="button"
              class="button"
              aria-expanded={isOpen.value}
              onClick={() => (isOpen.value = !isOpen.peek())}
            >
              Bring together…
            </button>
          </div>
        ) : null}
        {canMerge && isOpen.value ? (
          <AdminForm
            tenant={tenant}
            verb="Bring together"
            work={async (proof) => {
              await tenant.directory.mergeLines(proof);
              notify("There is one history again.");
            }}
          >
            <p>
              What only one of them says is kept. Who was removed in one stays removed. Keys begin anew for
              everybody who holds them.
            </p>
          </AdminForm>
        ) : null}
      </div>
    </li>
  );
}

function forkWords(isClosed: boolean): string {
  return isClosed
    ? "Two devices of the admin had written apart. It was brought together."
    : "Two devices of the admin have written apart.";
}

/** Refused for the rights of their authors alone: an admin may decide otherwise. */
const adoptable: ReadonlySet<string> = new Set(["revoked", "older-head", "role", "epoch"]);

const reasonWords: { readonly [reason: string]: string } = {
  revoked: "Written by someone who was revoked",
  "older-head": "Written as if an older state of the directory still held",
  role: "Written by someone whose role does not allow it",
  epoch: "Sealed under a key that had been renewed",
};

interface PutAsideProps {
  readonly space: Space;
  readonly commit: QuarantinedCommit;
}

function PutAside({ space: { tenant }, commit }: PutAsideProps) {
  const isOpen = useSignal(false);
  const canAdopt = tenant.adminUser.value !== undefined && adoptable.has(commit.reason);
  return (
    <li class="record">
      <Icon name="warning" />
      <div class="form">
        <div>
          <strong>{reasonWords[commit.reason] ?? commit.reason}</strong>
          <p class="muted">
            {formatMoment(commit.atMs, Date.now())} · commit{" "}
            <span class="code">{shortId(commit.commitHash)}</span>
          </p>
        </div>
        {canAdopt ? (
          <div class="actions">
            <button
              type="button"
              class="button"
              aria-expanded={isOpen.value}
              onClick={() => (isOpen.value = !isOpen.peek())}
            >
              Let it count…
            </button>
          </div>
        ) : null}
        {isOpen.value ? (
          <AdminForm
            tenant={tenant}
            verb="Let it count"
            work={async (proof) => {
              await tenant.directory.adopt([commit.commitHash], proof);
              notify("It counts now, on every device that hears of it.");
            }}
          >
            <p>What was written in it becomes part of its documents, for every member.</p>
          </AdminForm>
        ) : null}
      </div>
    </li>
  );
}

function AllGood({ text }: { readonly text: string }) {
  return (
    <p class="all-good">
      <Icon name="check" />
      {text}
    </p>
  );
}
