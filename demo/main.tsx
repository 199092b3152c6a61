/** The entry of the demo. */
import { render } from "preact";
import { App } from "./app.tsx";
import { startCoffer } from "./state/coffer.ts";

const root = document.getElementById("app");
if (root !== null) render(<App />, root);
void startCoffer();
