/** What one look of the doctor found. */
export interface Finding {
  /** "masquerade", a closed set: programs go by it. */
  readonly check: string;
  /** skipped: it could not be looked at, and `text` says why. */
  readonly level: "ok" | "warn" | "fail" | "skipped";
  readonly text: string;
  /** A command or a line that mends it; empty where nothing is wrong. */
  readonly remedy: string;
}

export function ok(check: string, text: string): Finding {
  return { check, level: "ok", text, remedy: "" };
}

export function skipped(check: string, text: string): Finding {
  return { check, level: "skipped", text, remedy: "" };
}

export function warn(check: string, text: string, remedy: string): Finding {
  return { check, level: "warn", text, remedy };
}

export function fail(check: string, text: string, remedy: string): Finding {
  return { check, level: "fail", text, remedy };
}
