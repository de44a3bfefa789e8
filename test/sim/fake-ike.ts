/**
 * What IkeEngine does for children, without its protocol: requests one after the other, answered and sent again until they
 * are, over datagrams of JSON. Two of them agree on keys from a seed. For tests of what stands around the engine.
 */
import type { Endpoint } from "#core/address";
import type { SaKeys } from "#core/child-sa-spec";
import type { IkeConfig } from "#core/connection";
import { assert } from "#core/errors";
import type { IkeReport, IkeSnapshot, Trigger } from "#core/ike-state";
import type { RandomSource } from "#core/ports";
import type { TrafficSelector } from "#core/selector";
import { type Millis, millis, type Spi, spi } from "#core/units";
import type { IkePort } from "#gateway/control-doors";
import type { EndCause, IkeEffect, IkeInput, NegotiatedChild } from "#ike/effects";
import { seededRandom } from "./gateway-pair.ts";

type Request =
  | {
      readonly op: "create";
      readonly child: string;
      readonly spi: number;
      readonly seed: number;
      /** The asker's outbound SPI of the pair it replaces. */
      readonly replaces: number | undefined;
    }
  | { readonly op: "delete"; readonly spi: number };

interface Message {
  readonly response: boolean;
  readonly number: number;
  readonly request: Request;
  /** Of a response: the SPI chosen, or nothing = refused. */
  readonly spi?: number;
}

interface Task {
  readonly request: Request;
  readonly trigger: Trigger;
  readonly id: number | undefined;
  readonly asked: Millis;
}

interface Pair {
  readonly id: number;
  readonly child: string;
  readonly inbound: Spi;
  readonly outbound: Spi;
  state: "later" | "used";
  successor: Pair | undefined;
  readonly seed: number;
  readonly ours: boolean;
}

export interface FakeIkeWorld {
  readonly random: RandomSource & { next(): number };
  readonly spis: { draw(): Spi; giveBack(spi: Spi): void };
  readonly local: Endpoint;
  readonly remote: Endpoint;
  readonly selectors: readonly [local: readonly TrafficSelector[], remote: readonly TrafficSelector[]];
}

const FIRST_RETRANSMIT = 500;

export class FakeIke implements IkePort {
  /** Answers of ours are refusals. */
  refuses = false;
  /** Milliseconds without an answer after which a request is given up. */
  patience: number = Number.POSITIVE_INFINITY;
  /** What lifetimes are told to have been agreed on. */
  agreed: NegotiatedChild["agreedLifetime"];
  /** Exchanges that were finished, as asker. */
  readonly finished: string[] = [];
  readonly inputs: IkeInput[] = [];
  readonly pairs: Map<number, Pair> = new Map();
  readonly #world: FakeIkeWorld;
  readonly #tasks: Task[] = [];
  #config: IkeConfig = {
    connections: [],
    credentials: { secrets: [], keys: [], authorities: [], intermediates: [], crls: [] },
  };
  #current: { task: Task; number: number; sent: Millis; wait: number } | undefined;
  #numbers = 0;
  readonly #answers = new Map<number, Message>();
  #ids: number;
  #effects: IkeEffect[] = [];

  constructor(world: FakeIkeWorld, firstId: number) {
    this.#world = world;
    this.#ids = firstId;
  }

  get nextTimeout(): Millis | undefined {
    return this.#current === undefined ? undefined : millis(this.#current.sent + this.#current.wait);
  }

  readonly settingUp: number = 0;

  get unsettled(): number {
    return this.#current === undefined ? 0 : 1;
  }

  /** Nobody takes it over: tests of that have real engines. */
  freeze(): never {
    throw new Error("this engine has no form in which it could be handed over");
  }

  thaw(): never {
    return this.freeze();
  }

  snapshot(): IkeSnapshot {
    return { sas: [], halfOpen: 0, counters: {} };
  }

  handle(input: IkeInput, now: Millis): IkeEffect[] {
    this.inputs.push(input);
    switch (input.kind) {
      case "configure":
        this.#config = input.config;
        break;
      case "initiate":
        this.#queue(
          { op: "create", child: input.child ?? "", ...this.#fresh(), replaces: undefined },
          input.trigger,
          now,
        );
        break;
      case "rekey-child": {
        const pair = this.pairs.get(input.id);
        if (pair !== undefined)
          this.#queue(
            { op: "create", child: pair.child, ...this.#fresh(), replaces: pair.outbound },
            input.trigger,
            now,
            pair.id,
          );
        break;
      }
      case "delete-child": {
        const pair = this.pairs.get(input.id);
        if (pair !== undefined) this.#queue({ op: "delete", spi: pair.inbound }, "operator", now, pair.id);
        break;
      }
      case "first-packet": {
        const pair = this.pairs.get(input.id);
        if (pair !== undefined) this.#use(pair);
        break;
      }
      case "datagram":
        this.#receive(parse(input.octets), now);
        break;
      case "timeout":
        if (this.#current !== undefined && now - this.#current.task.asked >= this.patience)
          this.#giveUp(this.#current.task);
        else if (this.#current !== undefined && now >= this.#current.sent + this.#current.wait) {
          this.#current.sent = now;
          this.#current.wait *= 2;
          this.#sendCurrent();
        }
        break;
      default:
    }
    this.#next(now);
    const effects = this.#effects;
    this.#effects = [];
    return effects;
  }

  #giveUp({ request, id }: Task): void {
    this.#current = undefined;
    const pair = id === undefined ? undefined : this.pairs.get(id);
    if (pair !== undefined) this.#remove(pair, "dpd");
    if (request.op === "create")
      this.#effects.push({ kind: "report", report: { ...failure(this.#connection, request.child), from: "nobody" } });
  }

  #fresh(): { spi: number; seed: number } {
    return { spi: this.#world.spis.draw(), seed: this.#world.random.next() };
  }

  #queue(request: Request, trigger: Trigger, now: Millis, id?: number): void {
    this.#tasks.push({ request, trigger, id, asked: now });
  }

  #next(now: Millis): void {
    if (this.#current !== undefined) return;
    const task = this.#tasks.shift();
    if (task === undefined) return;
    if (task.id !== undefined && !this.pairs.has(task.id)) {
      this.#next(now);
      return;
    }
    this.#current = { task: { ...task, asked: now }, number: this.#numbers++, sent: now, wait: FIRST_RETRANSMIT };
    this.#sendCurrent();
  }

  #sendCurrent(): void {
    if (this.#current === undefined) return;
    this.#send({ response: false, number: this.#current.number, request: this.#current.task.request });
  }

  #send(message: Message): void {
    const { local, remote } = this.#world;
    this.#effects.push({ kind: "send", octets: new TextEncoder().encode(JSON.stringify(message)), local, remote });
  }

  #receive(message: Message, now: Millis): void {
    const known = message.response ? undefined : this.#answers.get(message.number);
    if (message.response) this.#answered(message, now);
    else if (known !== undefined) this.#send(known);
    else this.#answer(message);
  }

  #answer(message: Message): void {
    const { request } = message;
    let answer: Message = { ...message, response: true };
    if (request.op === "create" && !this.refuses) {
      const former = [...this.pairs.values()].find((pair) => pair.inbound === request.replaces);
      if (request.replaces === undefined || former !== undefined) {
        const chosen = this.#world.spis.draw();
        const pair = this.#install(request, chosen, spi(request.spi), former, false, "peer", 0);
        if (former !== undefined) former.successor ??= pair;
        answer = { ...answer, spi: chosen };
      }
    }
    if (request.op === "delete")
      for (const pair of [...this.pairs.values()]) if (pair.outbound === request.spi) this.#remove(pair);
    this.#answers.set(message.number, answer);
    this.#send(answer);
  }

  #answered({ number, spi: chosen }: Message, now: Millis): void {
    if (this.#current?.number !== number) return;
    const { task } = this.#current;
    const { request } = task;
    this.#current = undefined;
    const former = task.id === undefined ? undefined : this.pairs.get(task.id);
    this.finished.push(request.op);
    if (request.op === "delete") {
      if (former !== undefined) this.#remove(former);
      return;
    }
    if (chosen === undefined || (task.id !== undefined && former === undefined)) {
      this.#world.spis.giveBack(spi(request.spi));
      this.#effects.push({ kind: "report", report: failure(this.#connection, request.child) });
      return;
    }
    const pair = this.#install(request, spi(request.spi), spi(chosen), former, true, task.trigger, now - task.asked);
    if (former === undefined) return;
    const rival = former.successor;
    // RFC 7296 §2.8.1, with the seed for the nonce: the pair of the lower one goes, by its maker.
    if (rival !== undefined && !rival.ours && pair.seed < rival.seed)
      this.#queue({ op: "delete", spi: pair.inbound }, "operator", now, pair.id);
    else former.successor = pair;
  }

  #remove(pair: Pair, cause: EndCause = "close"): void {
    this.pairs.delete(pair.id);
    if (pair.successor !== undefined) this.#use(pair.successor);
    this.#effects.push({ kind: "remove-child-sa", id: pair.id, drain: true, cause, reason: "deleted" });
  }

  #use(pair: Pair): void {
    if (pair.state === "used" || !this.pairs.has(pair.id)) return;
    pair.state = "used";
    this.#effects.push({ kind: "use-child-sa", id: pair.id });
  }

  #childConfig(child: string): NegotiatedChild["config"] {
    const config = this.#config.connections[0]?.children.find(({ name }) => name === child);
    assert(config !== undefined, `${child} is configured`);
    return config;
  }

  get #connection(): string {
    return this.#config.connections[0]?.name ?? "";
  }

  #install(
    request: Extract<Request, { op: "create" }>,
    inbound: Spi,
    outbound: Spi,
    former: Pair | undefined,
    ours: boolean,
    trigger: Trigger,
    took: number,
  ): Pair {
    const id = this.#ids++;
    const later = former !== undefined;
    const pair: Pair = {
      id,
      child: request.child,
      inbound,
      outbound,
      state: later ? "later" : "used",
      successor: undefined,
      seed: request.seed,
      ours,
    };
    this.pairs.set(id, pair);
    const { local, remote, selectors } = this.#world;
    const asker = keysOf(request.seed, ours ? inbound : outbound);
    const answerer = keysOf(request.seed + 1, ours ? outbound : inbound);
    const child: NegotiatedChild = {
      outerAh: undefined,
      agreedLifetime: this.agreed,
      id,
      ike: 1,
      connection: this.#connection,
      child: request.child,
      config: this.#childConfig(request.child),
      protocol: "esp",
      mode: "tunnel",
      suite: { encryption: 20, integrity: 0 },
      inbound: ours ? asker : answerer,
      outbound: ours ? answerer : asker,
      esn: true,
      encapsulation: "udp",
      local,
      remote,
      behindNat: false,
      localSelectors: selectors[0],
      remoteSelectors: selectors[1],
      keMethod: 31,
      replaces: former?.id,
      initiator: ours,
      trigger,
      took: millis(took),
    };
    this.#effects.push({ kind: "install-child-sa", child, outbound: later ? "later" : "use" });
    return pair;
  }
}

function parse(octets: Uint8Array): Message {
  return JSON.parse(new TextDecoder().decode(octets));
}

/** AES-128-GCM: 16 octets and a salt of 4. */
function keysOf(seed: number, value: Spi): SaKeys {
  const encryptionKey = new Uint8Array(20);
  seededRandom(seed).fill(encryptionKey);
  assert(encryptionKey.length === 20, "key and salt");
  return { spi: value, encryptionKey, integrityKey: new Uint8Array(0) };
}

function failure(connection: string, child: string): Extract<IkeReport, { kind: "failed" }> {
  return {
    kind: "failed",
    connection,
    child,
    asked: "us",
    stage: "CREATE_CHILD_SA",
    notify: "NO_PROPOSAL_CHOSEN",
    from: "peer",
    reason: "refused",
    remedy: "none",
    retryAt: undefined,
  };
}
