/** Files for monitoring that are shipped with the package, as commands print them. */
import { readFileSync } from "node:fs";
import { nearest } from "#core/nearest";
import { packageFile } from "#io/package-file";
import { UsageError } from "./command.ts";

/** Throws UsageError with what was meant. */
export function monitoringFile(what: string, files: Readonly<Record<string, string>>): string {
  const name = Object.hasOwn(files, what) ? files[what] : undefined;
  if (name !== undefined) return readFileSync(packageFile(`monitoring/${name}`), "utf8");
  const meant = nearest(what, Object.keys(files));
  throw new UsageError(
    `there is no '${what}'`,
    meant === undefined ? `take ${Object.keys(files).join(" or ")}` : `did you mean '${meant}'?`,
  );
}

/** "5m", "30s": a span as Prometheus writes it. */
export function promSpan(option: string, text: string | undefined): string | undefined {
  if (text === undefined || /^[1-9]\d{0,5}(ms|s|m|h|d)$|^0s$/.test(text)) return text;
  throw new UsageError(`--${option} ${text} is no span of time`, "write 30s, 5m or 1h");
}
