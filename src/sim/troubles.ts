/** What happens to devices and servers, whatever people do: full disks, old backups, cables, clocks. */
import { CofferError } from "../std/index.ts";
import type { Random } from "./pcg32.ts";
import type { Plan } from "./plan.ts";
import type { SimDevice } from "./sim-device.ts";
import type { Story } from "./story.ts";

/** The troubles of one story. */
export class Troubles {
  readonly #story: Story;
  readonly #plan: Plan;
  readonly #random: Random;
  #lostServerAtMs = -Infinity;

  constructor(story: Story, plan: Plan, random: Random) {
    this.#story = story;
    this.#plan = plan;
    this.#random = random;
  }

  /** Let some writes of a device fail, as the plan says. */
  breakDisk(device: SimDevice): void {
    const { diskFailure } = this.#plan;
    if (diskFailure === 0) return;
    device.disk.fault = {
      failWrite: () => (this.#random.chance(diskFailure) ? new CofferError("store/quota") : undefined),
      loseAnswer: () =>
        this.#random.chance(diskFailure)
          ? new CofferError("store/failed", { outcome: "unknown" })
          : undefined,
    };
  }

  /** The server comes back from an older backup: what it lost is pushed to it again by those who have it. */
  loseServer(): void {
    // Epochs count seconds: nobody restores the same server twice within one.
    const { nowMs } = this.#story.world.scheduler;
    if (nowMs - this.#lostServerAtMs < 10_000) return;
    this.#lostServerAtMs = nowMs;
    this.#story.hasLostServer = true;
    void this.#story.world.server.restore(this.#random);
  }

  /** The cable is pulled, or put back. */
  toggleOnline(device: SimDevice): void {
    const isOnline = !device.origin.isOnline;
    this.#story.world.scheduler.note(`${device.name} goes ${isOnline ? "online" : "offline"}`);
    device.origin.setOnline(isOnline);
    this.#story.deeds.noteOnline(device, isOnline);
  }

  /** The clock of a device jumps, by minutes, hours or years. */
  jumpClock(device: SimDevice): void {
    const yearMs = 365 * 24 * 3_600_000;
    const skewMs = (this.#random.fraction() - 0.5) * this.#random.pick([600_000, 7_200_000, 2 * yearMs]);
    device.origin.clockSkewMs = Math.floor(skewMs);
  }
}
