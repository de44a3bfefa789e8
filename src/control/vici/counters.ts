/** get-counters and reset-counters: strongSwan's counters of IKE, of the whole gateway and of each connection. */
import type { IkeReport } from "#core/ike-state";
import type { Command } from "./command.ts";
import { isYes, type Message, section, textOf, value } from "./message.ts";
import { refusal, success } from "./outcome.ts";
import { connectionOf } from "./watching.ts";
import type { ViciWorld } from "./world.ts";

const REKEYS = ["ike-rekey-init", "ike-rekey-resp", "child-rekey"] as const;
type Rekey = (typeof REKEYS)[number];

/** Messages by exchange: strongSwan's name → ours. */
const EXCHANGES: readonly (readonly [string, string])[] = [
  ["ike-init", "ike_sa_init"],
  ["ike-auth", "ike_auth"],
  ["create-child", "create_child_sa"],
  ["info", "informational"],
];
const DIRECTIONS = ["in-req", "in-resp", "out-req", "out-resp"] as const;
const NAMES: readonly string[] = [
  ...REKEYS,
  "invalid",
  "invalid-spi",
  ...EXCHANGES.flatMap(([name]) => DIRECTIONS.map((direction) => `${name}-${direction}`)),
];
/** IKE's own reasons (ike/counters.ts). */
const INVALID = ["drop_malformed_header", "drop_malformed", "drop_major_version", "drop_unknown_exchange"];
const INVALID_SPI = ["drop_unknown_spi", "answer_invalid_ike_spi"];

type Counts = ReadonlyMap<string, number>;

export class ViciCounters {
  readonly #world: ViciWorld;
  /** Of connections that rekeyed, and of all ("") since the gateway runs. */
  readonly #rekeys = new Map<string, Map<Rekey, number>>([["", new Map()]]);
  /** What had been counted when somebody reset it: the gateway's own counters never fall. */
  readonly #resets = new Map<string, Counts>();

  constructor(world: ViciWorld) {
    this.#world = world;
  }

  get commands(): Readonly<Record<string, Command>> {
    return {
      "get-counters": (request) => ({ response: this.#get(request) }),
      "reset-counters": (request) => ({ response: this.#reset(request) }),
    };
  }

  report(report: IkeReport): void {
    const rekey = rekeyOf(report);
    const connection = connectionOf(report);
    if (rekey === undefined || connection === undefined) return;
    for (const name of ["", connection]) {
      const counts = this.#rekeys.get(name) ?? new Map<Rekey, number>();
      this.#rekeys.set(name, counts.set(rekey, (counts.get(rekey) ?? 0) + 1));
    }
  }

  #get(request: Message): Message {
    const all = isYes(request, "all");
    const name = textOf(request, "name") ?? "";
    const configured = new Set(this.#world.inventory.connections().map(({ connection }) => connection.name));
    if (!all && name !== "" && !configured.has(name)) return refusal("no counters found for this connection");
    const shown = all ? [...configured] : [name];
    return [section("counters", ...shown.map((one) => section(one, ...this.#counted(one)))), success()].flat();
  }

  #counted(name: string): Message[] {
    const since = this.#resets.get(name);
    return [...this.#now(name)].map(([key, count]) => value(key, count - (since?.get(key) ?? 0)));
  }

  /** `all`: those of connections; otherwise one, or those of the gateway as a whole. */
  #reset(request: Message): Message {
    const names = isYes(request, "all") ? [...this.#rekeys.keys()] : [textOf(request, "name") ?? ""];
    for (const name of names) this.#resets.set(name, this.#now(name));
    return success();
  }

  /** Messages are counted for the gateway as a whole. */
  #now(name: string): Counts {
    const counts = new Map(NAMES.map((key): [string, number] => [key, 0]));
    for (const [key, count] of this.#rekeys.get(name) ?? []) counts.set(key, count);
    if (name !== "") return counts;
    const { ike } = this.#world.gateway.status();
    const sum = (keys: readonly string[]) => keys.reduce((total, key) => total + (ike[key] ?? 0), 0);
    counts.set("invalid", sum(INVALID));
    counts.set("invalid-spi", sum(INVALID_SPI));
    const messages = this.#world.messages();
    for (const [theirs, ours] of EXCHANGES)
      for (const direction of DIRECTIONS)
        counts.set(`${theirs}-${direction}`, messages.get(`${ours}-${direction}`) ?? 0);
    return counts;
  }
}

function rekeyOf(report: IkeReport): Rekey | undefined {
  if (report.kind === "ike-rekeyed") return report.trigger === "peer" ? "ike-rekey-resp" : "ike-rekey-init";
  if (report.kind === "rekey" && report.child !== undefined && /^done\b/.test(report.result)) return "child-rekey";
  return undefined;
}
