/** The moment before anything is known. */
import { Busy } from "../parts/busy.tsx";

/** Say what is waited for. */
export function Starting() {
  return (
    <main class="form-page starting">
      <Busy what="Opening the coffer." />
    </main>
  );
}
