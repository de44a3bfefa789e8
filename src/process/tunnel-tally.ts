/** How many tunnels are up, counted by what is reported: a look at all of them would cost the control thread too much. */
import type { IkeReport } from "#core/ike-state";
import type { GatewayConfig } from "#core/policy";

export class TunnelTally {
  readonly #up = new Set<string>();

  /** They were up before anybody reported it here. */
  found(names: Iterable<string>): void {
    for (const name of names) this.#up.add(name);
  }

  /** Whether the report made a difference. */
  report(report: IkeReport): boolean {
    if (report.kind !== "child-up" && report.kind !== "child-down") return false;
    const name = `${report.connection}/${report.child}`;
    if (report.kind === "child-down") return this.#up.delete(name);
    const known = this.#up.size;
    return this.#up.add(name).size > known;
  }

  /** For one line of text; what is no longer configured does not count. */
  text({ ike, sas }: GatewayConfig): string {
    if (ike === undefined) return `${sas.length} SAs with manual keys`;
    const names = ike.connections.flatMap(({ name, children }) => children.map((child) => `${name}/${child.name}`));
    const up = names.filter((name) => this.#up.has(name)).length;
    return `${up} of ${names.length} ${names.length === 1 ? "tunnel" : "tunnels"} up`;
  }
}
