/** The first screen: start a space, join one, or unlock one that is on this device. */
import { useSignal, useSignalEffect } from "@preact/signals";
import type { KnownTenant } from "cofferdb";
import { useEffect } from "preact/hooks";
import { Icon } from "../parts/icon.tsx";
import { Notices } from "../parts/notices.tsx";
import { theCoffer } from "../state/coffer.ts";
import { JoinSpace } from "./join-space.tsx";
import { incoming } from "../state/incoming.ts";
import { openWithoutPassword } from "../state/open-held.ts";
import { KnownSpaces } from "./known-spaces.tsx";
import { RestoreBackup } from "./restore-backup.tsx";
import { Starting } from "./starting.tsx";
import { StartSpace } from "./start-space.tsx";

/** Another tab may hand its keys over: most often it has by then, and nobody waits longer for a password field. */
const openingMs = 300;

/** Show the choices, and the spaces that are here already. */
export function Welcome() {
  const choice = useSignal<"none" | "start" | "join" | "restore">("none");
  useSignalEffect(() => {
    if (incoming.value?.kind === "join-response") choice.value = "join";
  });
  const known = useSignal<readonly KnownTenant[]>([]);
  const pendingCount = useSignal(0);
  const isOpening = useSignal(true);
  const reload = async (): Promise<void> => {
    const [tenants, pending] = await Promise.all([theCoffer().tenants(), theCoffer().pendingIdentities()]);
    known.value = tenants;
    pendingCount.value = pending.length;
  };
  useEffect(() => {
    const timer = setTimeout(() => (isOpening.value = false), openingMs);
    reload()
      .then(async () => openWithoutPassword(known.peek()))
      .catch(() => undefined)
      .finally(() => (isOpening.value = false));
    return () => clearTimeout(timer);
  }, []);
  const goBack = (): void => {
    choice.value = "none";
    reload().catch(() => undefined);
  };
  if (isOpening.value) return <Starting />;
  if (choice.value === "start") return <StartSpace onBack={goBack} />;
  if (choice.value === "join") return <JoinSpace onBack={goBack} />;
  if (choice.value === "restore") return <RestoreBackup onBack={goBack} />;
  return (
    <main class="welcome">
      <header class="hero">
        <img src="./icons/icon.svg" alt="" width="56" height="56" />
        <h1>CofferDB</h1>
        <p class="lead">
          A library that is yours alone: kept on this device, sealed before it leaves, and never readable by a
          server.
        </p>
      </header>
      {known.value.length === 0 ? null : (
        <KnownSpaces tenants={known.value} onChanged={() => void reload()} />
      )}
      <nav class="choices" aria-label="Begin">
        <button type="button" class="choice" onClick={() => (choice.value = "start")}>
          <Icon name="key" />
          <span>
            <strong>Start a space</strong>
            <span class="muted">Make a new one. It works without a server and without a network.</span>
          </span>
        </button>
        <button type="button" class="choice" onClick={() => (choice.value = "join")}>
          <Icon name="people" />
          <span>
            <strong>Join a space</strong>
            <span class="muted">
              {pendingCount.value > 0
                ? "You have asked to join one: paste the answer here."
                : "Ask someone who has one; they answer with an invitation."}
            </span>
          </span>
        </button>
        <button type="button" class="choice" onClick={() => (choice.value = "restore")}>
          <Icon name="upload" />
          <span>
            <strong>Restore from a file</strong>
            <span class="muted">A backup, or the identity file of a space that a server has.</span>
          </span>
        </button>
      </nav>
      <Notices />
    </main>
  );
}
