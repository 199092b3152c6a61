/** What was noticed and kept apart: alarms about servers and members, and commits that did not hold. */
import type { AlarmEvent } from "cofferdb";
import { Icon } from "../parts/icon.tsx";
import type { Space } from "../state/space.ts";
import { WaysIn } from "./ways-in.tsx";
import { formatMoment, shortId } from "../text/format.ts";

const alarmWords: Record<AlarmEvent["kind"], string> = {
  gap: "Something in a member's sequence of commits is missing.",
  rollback: "The server has shown an older state than before.",
  fork: "The server has shown different histories.",
  withheld: "The server holds something back.",
  equivocation: "A member has signed two different commits for the same place.",
  "id-conflict": "Two different commits claim the same id.",
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
              <li key={index} class="record">
                <Icon name="warning" />
                <div>
                  <strong>{alarmWords[alarm.kind]}</strong>
                  <p class="muted">
                    {formatMoment(alarm.atMs, Date.now())} · {alarm.detail}
                  </p>
                </div>
              </li>
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
                <li key={commit.commitHash} class="record">
                  <Icon name="warning" />
                  <div>
                    <strong>{commit.reason}</strong>
                    <p class="muted">
                      {formatMoment(commit.atMs, Date.now())} · commit{" "}
                      <span class="code">{shortId(commit.commitHash)}</span>
                    </p>
                  </div>
                </li>
              ))}
            </ul>
          </>
        )}
      </section>
      <WaysIn space={space} />
    </section>
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
