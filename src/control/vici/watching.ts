/** Who hears what IKE reports while a command of his is under way (`control-log`). */
import type { IkeReport } from "#core/ike-state";

export type Hearer = (report: IkeReport, text: string) => void;

export class Watchers {
  readonly #hearers = new Set<Hearer>();

  /** Returns what ends it. */
  add(hearer: Hearer): () => void {
    this.#hearers.add(hearer);
    return () => void this.#hearers.delete(hearer);
  }

  tell(report: IkeReport, text: string): void {
    for (const hear of this.#hearers) hear(report, text);
  }
}

/** Which connection it is about; undefined: about none. */
export function connectionOf(report: IkeReport): string | undefined {
  switch (report.kind) {
    case "ike-up":
    case "ike-rekeyed":
      return report.ike.connection;
    case "warning":
      return undefined;
    case "fallback":
      // `connection/child`; no name of a connection has a slash.
      return report.policy.split("/")[0];
    default:
      return report.connection;
  }
}

/** strongSwan's word for who says it: IKE, CHD (children), CFG, DMN (the daemon). */
export function groupOf(report: IkeReport | undefined): "IKE" | "CHD" | "DMN" {
  switch (report?.kind) {
    case "ike-up":
    case "ike-rekeyed":
    case "ike-down":
      return "IKE";
    case "child-up":
    case "child-down":
    case "sa-retired":
    case "fallback":
      return "CHD";
    case "failed":
    case "rekey":
      return report.child === undefined ? "IKE" : "CHD";
    default:
      return "DMN";
  }
}
