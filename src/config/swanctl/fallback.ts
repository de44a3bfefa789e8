/** `fallback_*` of a child: when its flow may go in clear (S53–S55). */
import type { ChildConfig, ClearFallback } from "#core/connection";
import { millis } from "#core/units";
import type { OfferPolicy } from "./offers.ts";
import type { SectionReader } from "./section-reader.ts";

/** KB914841: what Windows 2000 to 2003 wait. */
const AFTER = 3000;
/** Both documents: five minutes. */
const FIVE_MINUTES = 300_000;
const DETAILS = ["fallback_after", "fallback_mismatch", "fallback_retry", "fallback_every", "fallback_idle"] as const;
const LONGEST = "fallback_longest";

export function readFallback(
  reader: SectionReader,
  mode: ChildConfig["mode"],
  { level, ikeLife }: OfferPolicy,
): ClearFallback | undefined {
  const wanted = reader.boolean("fallback_to_clear", false);
  const after = positive(reader, "fallback_after", AFTER);
  const mismatchToo = reader.boolean("fallback_mismatch", false);
  const retry = reader.choice("fallback_retry", ["interval", "idle"], level.fallbackRetry);
  const every = positive(reader, "fallback_every", FIVE_MINUTES);
  const idle = positive(reader, "fallback_idle", FIVE_MINUTES);
  const longest = positive(reader, LONGEST, ikeLife);
  for (const key of [...DETAILS, LONGEST])
    if (!wanted && reader.has(key))
      reader.warn(key, `'${key}' has no effect without fallback_to_clear`, "remove it; nothing goes in clear");
  if (!wanted) return undefined;
  if (mode === "pass" || mode === "drop") {
    reader.wrong("fallback_to_clear", `a child with mode = ${mode} negotiates nothing`, "remove it");
    return undefined;
  }
  reader.warn(
    "fallback_to_clear",
    "whoever keeps IKE's packets from arriving makes this flow go in clear",
    "remove it as soon as all peers protect theirs",
  );
  const start = reader.text("start_action") ?? "none";
  if (start === "none" || start === "clear")
    reader.warn("fallback_to_clear", "nothing begins a negotiation, so nothing falls back", "add start_action = trap");
  for (const key of retry === "idle" ? ["fallback_every"] : ["fallback_idle", LONGEST])
    if (reader.has(key)) reader.warn(key, `'${key}' has no effect with fallback_retry = ${retry}`, "remove it");
  return {
    after: millis(after),
    mismatchToo,
    retry:
      retry === "interval"
        ? { mode: "interval", every: millis(every) }
        : { mode: "idle", idle: millis(idle), longest: millis(longest) },
  };
}

function positive(reader: SectionReader, key: string, otherwise: number): number {
  const value = reader.time(key);
  if (value === 0) reader.wrong(key, "0 would be without a pause", `for example ${key} = 5m`);
  return value || otherwise;
}
