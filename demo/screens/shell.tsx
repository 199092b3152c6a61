/** The frame of an open space: its name, the way around, the state, and the lock. */
import type { ComponentChildren } from "preact";
import { useEffect } from "preact/hooks";
import { Icon, type IconName } from "../parts/icon.tsx";
import { Notices } from "../parts/notices.tsx";
import { SafetyNumber } from "../parts/safety-number.tsx";
import { Visitors } from "../parts/visitors.tsx";
import { StatePill } from "../parts/state-pill.tsx";
import { notify } from "../state/activity.ts";
import { lastViewHref, route, type Route } from "../state/route.ts";
import { lockSpace, spaceName, type Space } from "../state/space.ts";
import { welcomeNumber } from "../state/welcome-number.ts";
import { explain } from "../text/explain.ts";

const places: readonly { place: Route["place"]; label: string; icon: IconName }[] = [
  { place: "library", label: "Library", icon: "library" },
  { place: "views", label: "Views", icon: "views" },
  { place: "people", label: "People", icon: "people" },
  { place: "keys", label: "Keys", icon: "key" },
  { place: "sync", label: "Sync", icon: "sync" },
  { place: "safety", label: "Safety", icon: "shield" },
];

/** Show the frame around a place. */
export function Shell({ space, children }: { readonly space: Space; readonly children: ComponentChildren }) {
  useEffect(() => {
    const onKey = (event: KeyboardEvent): void => {
      if (event.code !== "KeyL" || !event.shiftKey || !(event.ctrlKey || event.metaKey)) return;
      event.preventDefault();
      lock();
    };
    addEventListener("keydown", onKey);
    return () => removeEventListener("keydown", onKey);
  }, []);
  const troubleCount = space.tenant.alarms.value.length + space.tenant.quarantine.value.length;
  return (
    <div class="shell">
      <a class="skip" href="#main" onClick={skipToMain}>
        Skip to the content
      </a>
      <header class="top">
        <a class="brand" href="#/library">
          <img src="./icons/icon.svg" alt="" width="28" height="28" />
          <span class="space-name" data-testid="space-name">
            {spaceName.value ?? ""}
          </span>
        </a>
        <nav class="places" aria-label="Places">
          {places.map(({ place, label, icon }) => (
            <a
              key={place}
              href={place === "views" ? lastViewHref.value : `#/${place}`}
              aria-current={route.value.place === place ? "page" : undefined}
            >
              <Icon name={icon} />
              <span>{label}</span>
              {place === "safety" && troubleCount > 0 ? <span class="count">{troubleCount}</span> : null}
            </a>
          ))}
        </nav>
        <Visitors />
        <StatePill />
        <button
          type="button"
          class="button-icon"
          aria-label="Lock"
          title="Lock (Ctrl+Shift+L)"
          aria-keyshortcuts="Control+Shift+L Meta+Shift+L"
          onClick={lock}
        >
          <Icon name="lock" />
        </button>
      </header>
      <main id="main" class="main" tabIndex={-1}>
        <WelcomeNumber />
        {children}
      </main>
      <Notices />
    </div>
  );
}

function lock(): void {
  lockSpace().catch((error: unknown) => notify(explain(error).what));
}

/** The hash is the address of the place, so that this link must move the focus by itself. */
function skipToMain(event: Event): void {
  event.preventDefault();
  document.getElementById("main")?.focus();
}

function WelcomeNumber() {
  if (welcomeNumber.value === undefined) return null;
  return (
    <section class="panel" aria-label="You have joined">
      <h2>You have joined</h2>
      <SafetyNumber number={welcomeNumber.value} who="the person who invited you" />
      <button type="button" class="button" onClick={() => (welcomeNumber.value = undefined)}>
        Done
      </button>
    </section>
  );
}
