import type { OperatedGateway } from "#core/operator";

/** strongSwan numbers policies from 1 on; here each child of the configuration has one number as long as the gateway runs. */
export class Reqids {
  readonly #numbers = new Map<string, number>();

  of(connection: string, child: string): number {
    const name = `${connection}/${child}`;
    const known = this.#numbers.get(name);
    if (known !== undefined) return known;
    const next = this.#numbers.size + 1;
    this.#numbers.set(name, next);
    return next;
  }
}

const NUMBERS = new WeakMap<OperatedGateway, Reqids>();

/** The same for whoever lists the SAs of a gateway. */
export function reqidsOf(gateway: OperatedGateway): Reqids {
  const known = NUMBERS.get(gateway);
  if (known !== undefined) return known;
  const made = new Reqids();
  NUMBERS.set(gateway, made);
  return made;
}
