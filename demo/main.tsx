/** The entry of the demo. */
import { render } from "preact";
import { App } from "./app.tsx";
import { serviceWorkerUrl, startCoffer } from "./state/coffer.ts";
import { followAutoLock } from "./state/auto-lock.ts";
import { watchIncoming } from "./state/incoming.ts";
import { watchForUpdates } from "./state/update.ts";

watchIncoming();
const root = document.getElementById("app");
if (root !== null) render(<App />, root);
void startCoffer();
followAutoLock();
if (import.meta.env.PROD) watchForUpdates(serviceWorkerUrl);
