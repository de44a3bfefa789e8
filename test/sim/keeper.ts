/** Keeps children up as the gateway's director would (start_action, close_action and dpd_action): what is lost is started again. */
import type { IkeEffect } from "#ike/effects";
import type { IkeNode, IkeSim } from "./ike-pair.ts";

/** From the loss to the new start, and from a failure that nobody tries again by itself. */
const AGAIN = [0, 300] as const;
const AFTER_FAILURE = [1_000, 4_000] as const;

export class Keeper {
  readonly #sim: IkeSim;
  readonly #children: readonly string[];
  readonly #asked = new Set<string>();
  #working = true;
  node: IkeNode;

  constructor(sim: IkeSim, node: IkeNode, children: readonly string[]) {
    this.#sim = sim;
    this.#children = children;
    this.node = node;
    sim.observers.push({ done: (who, effect) => who === this.node && this.#onEffect(effect) });
  }

  /** Another process took the node's place. */
  restarted(node: IkeNode): void {
    this.node = node;
    this.#asked.clear();
    this.startAll();
  }

  startAll(): void {
    for (const child of this.#children) this.#start(child, [0, 0]);
  }

  /** Somebody deleted what was there or under way. */
  startAgain(): void {
    for (const child of this.#children) if (!this.#has(child)) this.#start(child, AGAIN);
  }

  stop(): void {
    this.#working = false;
  }

  #onEffect(effect: IkeEffect): void {
    if (effect.kind === "remove-child-sa") {
      for (const child of this.#children) if (!this.#has(child) && !this.#asked.has(child)) this.#start(child, AGAIN);
      return;
    }
    if (effect.kind === "install-child-sa") this.#asked.delete(effect.child.child);
    if (effect.kind !== "report" || effect.report.kind !== "failed" || effect.report.retryAt !== undefined) return;
    const { child } = effect.report;
    for (const name of this.#children) {
      if ((child !== undefined && child !== name) || this.#has(name)) continue;
      this.#asked.delete(name);
      this.#start(name, AFTER_FAILURE);
    }
  }

  #has(child: string): boolean {
    return this.node.children.some((pair) => pair.child === child);
  }

  #start(child: string, after: readonly [number, number]): void {
    const { node } = this;
    this.#sim.after(after, () => {
      if (!this.#working || node !== this.node || this.#has(child)) return;
      this.#asked.add(child);
      node.give({ kind: "initiate", connection: "gw", child, trigger: "start" });
    });
  }
}
