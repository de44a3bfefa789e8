/** Private directories for configurations and keys; none outlives the benchmark for long, however it ends. */
import { existsSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const PREFIX = "esp-bench-";

export function makeScratch(): string {
  return mkdtempSync(join(tmpdir(), `${PREFIX}${process.pid}-`));
}

/** Removes this run's directories, and those of earlier runs that were killed before they could. */
export function removeScratch(): void {
  for (const name of readdirSync(tmpdir())) {
    const pid = Number(new RegExp(`^${PREFIX}(\\d+)-`).exec(name)?.[1] ?? Number.NaN);
    if (pid === process.pid || (pid > 0 && !existsSync(`/proc/${pid}`)))
      rmSync(join(tmpdir(), name), { recursive: true, force: true });
  }
}
