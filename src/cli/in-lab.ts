/** What commands share that make a lab: rights to make namespaces, Ctrl-C, and faults of the lab told as the system's are. */
import { SystemError } from "#core/errors";
import { LabError } from "#lab/children";
import { paint } from "./colour.ts";
import type { CliIo } from "./command.ts";

/** Ctrl-C and its like. */
class Interrupted extends Error {
  readonly code = "INTERRUPTED";
}

const INTERRUPTED_EXIT = 130;

/** Runs `work` and resolves with its exit code; 130 after an interruption, 1 when the lab failed. */
export async function guarded(io: CliIo, json: boolean, work: () => Promise<number>): Promise<number> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof Interrupted) {
      io.err(`${error.message}: everything is removed\n`);
      return INTERRUPTED_EXIT;
    }
    if (!(error instanceof LabError || error instanceof SystemError)) throw error;
    io.err(`${paint(io, "red", "esplanade")}: ${error.message}\n`);
    if (json) io.out(`${JSON.stringify({ ok: false, error: error.message })}\n`);
    return 1;
  }
}

/** Rejects at the first signal, or when the process that started us is gone; later signals change nothing. */
export function interrupted(): Promise<never> {
  const interruption = new Promise<never>((_resolve, reject) => {
    for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const)
      process.on(signal, () => reject(new Interrupted(`interrupted by ${signal}`)));
    process.on("disconnect", () => reject(new Interrupted("the process that started this one is gone")));
    process.channel?.unref();
  });
  // It may come when nobody listens yet.
  interruption.catch(() => undefined);
  return interruption;
}
