/** How long the event loop is blocked, by the clock and by the processor time of its thread. Linux only. */
import { openSync, readSync } from 'node:fs';

const schedstat = openSync('/proc/thread-self/schedstat', 'r');
const schedstatText = Buffer.alloc(64);

/** Processor time of this thread in milliseconds; `process.cpuUsage` counts all threads. */
export function threadCpuMs(): number {
  readSync(schedstat, schedstatText, 0, schedstatText.length, 0);
  return Number(schedstatText.toString('latin1', 0, schedstatText.indexOf(' '))) / 1e6;
}

/** Turns the event loop as fast as possible and records its longest blocks. */
export class Heartbeat {
  blockMs = 0;
  blockCpuMs = 0;
  turns = 0;
  #beating = true;

  constructor() {
    let lastMs = performance.now();
    let lastCpuMs = threadCpuMs();
    const beat = (): void => {
      const nowMs = performance.now();
      const cpuMs = threadCpuMs();
      this.blockMs = Math.max(this.blockMs, nowMs - lastMs);
      this.blockCpuMs = Math.max(this.blockCpuMs, cpuMs - lastCpuMs);
      this.turns++;
      lastMs = nowMs;
      lastCpuMs = cpuMs;
      if (this.#beating) setImmediate(beat);
    };
    setImmediate(beat);
  }

  stop(): void {
    this.#beating = false;
  }
}
