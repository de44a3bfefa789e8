/** Books on the private values and shared secrets that jobs gave to engines: what a living one still has at the end. */
import type { IkeNode, IkeSim } from "./ike-pair.ts";

export class SecretBooks {
  readonly #given = new Map<IkeNode, Uint8Array[]>();

  constructor(sim: IkeSim) {
    sim.observers.push({
      thawed: (node) => this.#given.delete(node),
      given: (node, input) => {
        if (input.kind !== "computed") return;
        const { result } = input;
        const secrets = this.#given.get(node) ?? [];
        this.#given.set(node, secrets);
        if (result.kind === "ke-generate") secrets.push(result.privateKey);
        if (result.kind === "ke-agree" || result.kind === "ke-respond") secrets.push(result.shared);
      },
    });
  }

  notWiped(node: IkeNode): string[] {
    const secrets = this.#given.get(node) ?? [];
    const left = secrets.filter((secret) => secret.some((octet) => octet !== 0)).length;
    return left === 0 ? [] : [`${node.name} did not wipe ${left} of ${secrets.length} secrets`];
  }
}
