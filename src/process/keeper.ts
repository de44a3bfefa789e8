/**
 * What remains of a process that handed its gateway over while somebody waits for it: the first process of a container, or a
 * child of a program of ours. It passes signals on and ends with the last of the line.
 */
import type { UpgradeChannel } from "./upgrade-channel.ts";

const PASSED_ON = ["SIGTERM", "SIGINT", "SIGHUP", "SIGUSR2"] as const;

/** Whether this process's end is taken for the gateway's. */
export function isWaitedFor(): boolean {
  return process.pid === 1 || process.connected === true;
}

/** Resolves when no process of the line is left. */
export async function keep(channel: UpgradeChannel, first: number): Promise<void> {
  let pid = first;
  const tell = (signal: NodeJS.Signals) => {
    try {
      process.kill(pid, signal);
    } catch {
      // It has just ended.
    }
  };
  for (const signal of PASSED_ON) {
    process.removeAllListeners(signal);
    process.on(signal, () => tell(signal));
  }
  process.once("disconnect", () => tell("SIGTERM"));
  for (let message = await channel.next(); message !== undefined; message = await channel.next())
    if (message.kind === "taken") pid = message.pid;
}
