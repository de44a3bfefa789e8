/** What happens in one simulated life of two gateways, drawn from a seed: the network's weather, configurations, and steps. */
import type { Weather } from "./ike-pair.ts";

export type Side = "a" | "b";

/** One thing that somebody does; `pick` chooses among the children that are there then. */
export type Deed =
  | { readonly kind: "rekey-child"; readonly side: Side; readonly pick: number }
  | { readonly kind: "delete-child"; readonly side: Side; readonly pick: number }
  | { readonly kind: "rekey-ike"; readonly side: Side }
  | { readonly kind: "reauthenticate"; readonly side: Side }
  | { readonly kind: "delete-ike"; readonly side: Side }
  /** Killed without a goodbye; its successor comes up after a while. */
  | { readonly kind: "restart"; readonly side: Side; readonly down: number }
  /** Nothing passes for so long. */
  | { readonly kind: "silence"; readonly span: number }
  /**
   * Another process takes it over once it is settled, `limit` after it was held at the latest; so long after that nobody has it.
   * `fails`: it goes on itself after it was frozen.
   */
  | {
      readonly kind: "upgrade";
      readonly side: Side;
      readonly limit: number;
      readonly away: number;
      readonly fails: boolean;
    }
  /** a gets another address; behind a NAT, the NAT another port. */
  | { readonly kind: "move" };

/** What version 1 has besides; undefined in a schedule = version 2. */
export interface Version1Storm {
  readonly aggressive: boolean;
  readonly commitBit: "never" | "when-asked" | "always";
  /** Deletes that are acknowledged. */
  readonly microsoft: boolean;
  /** Each side's own; 0 = none. */
  readonly refreshLimit: Readonly<Record<Side, number>>;
  readonly masterPfs: Readonly<Record<Side, boolean>>;
}

export interface Step {
  /** Milliseconds after the step before. */
  readonly wait: number;
  readonly deeds: readonly Deed[];
}

export interface Schedule {
  readonly seed: number;
  readonly ikev1: Version1Storm | undefined;
  readonly weather: Weather;
  readonly jobTime: readonly [number, number];
  readonly switchAfter: readonly [number, number];
  /** Whose children are to be up: that side starts them, and again when they are lost. */
  readonly owners: readonly Side[];
  readonly children: readonly string[];
  readonly pfs: boolean;
  readonly mobike: boolean;
  readonly nat: boolean;
  readonly dpdDelay: number;
  /** Of the second owner's start; what the steps wait for. */
  readonly stagger: number;
  readonly settleIn: number;
  readonly steps: readonly Step[];
}

/** Well spread numbers from consecutive seeds (MurmurHash3's finalizer); 0 up to but not with 1. */
export class Draw {
  #state: number;

  constructor(seed: number) {
    this.#state = mix(seed + 1);
  }

  chance(): number {
    this.#state = (this.#state + 0x9e37_79b9) >>> 0;
    return mix(this.#state) / 2 ** 32;
  }

  whole(least: number, most: number): number {
    return least + Math.floor(this.chance() * (most - least + 1));
  }

  /** True with this probability. */
  is(probability: number): boolean {
    return this.chance() < probability;
  }

  of<T>(choices: readonly [T, ...T[]]): T {
    return choices[this.whole(0, choices.length - 1)] ?? choices[0];
  }
}

export function mix(seed: number): number {
  let h = seed >>> 0;
  h = Math.imul(h ^ (h >>> 16), 0x85eb_ca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2_ae35);
  return (h ^ (h >>> 16)) >>> 0;
}

const CHILDREN = ["net", "voice", "backup"];

export function makeSchedule(seed: number): Schedule {
  const draw = new Draw(seed);
  const nat = draw.is(0.2);
  const mobike = draw.is(0.3);
  // Nobody can start towards a gateway that moves, or that a NAT hides.
  const hidden = nat || mobike;
  const owners: readonly Side[] = hidden ? ["a"] : draw.of([["a"], ["b"], ["a", "b"], ["a", "b"]]);
  const children = CHILDREN.slice(0, draw.of([1, 1, 2, 3]));
  const quick = draw.is(0.3);
  const wild = draw.is(0.5);
  const steps: Step[] = [];
  const count = draw.whole(5, 25);
  for (let i = 0; i < count; i++) steps.push(makeStep(draw, hidden, wild));
  return {
    seed,
    ikev1: undefined,
    weather: {
      delay: quick ? [1, 5] : [1, draw.whole(10, 300)],
      loss: draw.is(0.25) ? 0 : draw.chance() * 0.3,
      duplicates: draw.is(0.3) ? 0 : draw.chance() * 0.2,
    },
    jobTime: [0, draw.of([0, 5, 40, 150])],
    switchAfter: [0, draw.of([0, 20, 200, 1000])],
    owners,
    children,
    pfs: draw.is(0.5),
    mobike,
    nat,
    dpdDelay: draw.of([20_000, 30_000, 60_000]),
    stagger: draw.is(0.5) ? draw.whole(0, 400) : draw.whole(0, 5_000),
    settleIn: draw.is(0.7) ? 5_000 : draw.whole(0, 1_500),
    steps,
  };
}

/** The same storms for version 1, which has neither MOBIKE nor a rekey of the IKE SA that is not a new main mode. */
export function makeSchedule1(seed: number): Schedule {
  const draw = new Draw(seed);
  const nat = draw.is(0.2);
  const limit = () => draw.of([0, 0, 0, 1, 2, 3, 5]);
  const ikev1: Version1Storm = {
    aggressive: draw.is(0.15),
    commitBit: draw.of(["never", "when-asked", "when-asked", "always"]),
    microsoft: draw.is(0.2),
    refreshLimit: { a: limit(), b: limit() },
    masterPfs: { a: draw.is(0.1), b: draw.is(0.1) },
  };
  const drawn = makeSchedule(mix(seed ^ 0x1a5a_c4e1));
  // Nobody can start towards a gateway that a NAT hides.
  const owners: readonly Side[] = nat ? ["a"] : draw.of([["a"], ["b"], ["a", "b"], ["a", "b"]]);
  const wild = draw.is(0.5);
  const steps = Array.from({ length: draw.whole(5, 25) }, () => makeStep(draw, nat, wild));
  return { ...drawn, seed, ikev1, nat, mobike: false, owners, steps };
}

/** The same with processes that take over between, and while, all that happens. */
export function withUpgrades(schedule: Schedule): Schedule {
  const draw = new Draw(mix(schedule.seed ^ 0x7f4a_7c15));
  const often = draw.of([0.2, 0.5, 0.9]);
  const upgrade = (): Deed => ({
    kind: "upgrade",
    side: draw.of<Side>(["a", "b"]),
    limit: draw.of([0, 500, 2_000, 2_000]),
    away: draw.is(0.4) ? 0 : draw.whole(0, 300),
    fails: draw.is(0.2),
  });
  const steps = schedule.steps.flatMap((step) => {
    if (!draw.is(often)) return [step];
    const alone = { wait: draw.whole(0, draw.of([50, 400, 20_000])), deeds: [upgrade()] };
    // Before, in the middle of what happens, or after.
    const { wait, deeds } = step;
    return draw.of<readonly Step[]>([
      [alone, step],
      [{ wait, deeds: [upgrade(), ...deeds] }],
      [{ wait, deeds: [...deeds, upgrade()] }],
      [step, alone],
    ]);
  });
  return { ...schedule, steps };
}

/** Which lives a seed stands for. */
export interface StormKind {
  /** Version 1 in version 2's place. */
  readonly ikev1: boolean;
  readonly upgrades: boolean;
}

export function scheduleOf({ ikev1, upgrades }: StormKind, seed: number): Schedule {
  const schedule = ikev1 ? makeSchedule1(seed) : makeSchedule(seed);
  return upgrades ? withUpgrades(schedule) : schedule;
}

function makeStep(draw: Draw, hidden: boolean, wild: boolean): Step {
  const deeds = [makeDeed(draw, hidden, wild)];
  while (deeds.length < 4 && draw.is(0.25)) deeds.push(makeDeed(draw, hidden, wild));
  const wait = draw.is(0.15) ? draw.whole(1_000, 30_000) : draw.whole(0, draw.of([0, 50, 400]));
  return { wait, deeds };
}

/** A tame schedule has rekeys and deletes only. */
function makeDeed(draw: Draw, hidden: boolean, wild: boolean): Deed {
  const side = draw.of<Side>(["a", "b"]);
  const pick = draw.whole(0, 5);
  const lot = draw.chance();
  if (lot < 0.42) return { kind: "rekey-child", side, pick };
  if (lot < 0.66) return { kind: "rekey-ike", side };
  if (lot < 0.76) return { kind: "delete-child", side, pick };
  if (!wild) return { kind: "rekey-child", side, pick };
  if (lot < 0.84) return { kind: "reauthenticate", side: hidden ? "a" : side };
  if (lot < 0.89) return { kind: "delete-ike", side };
  if (lot < 0.94) return { kind: "restart", side, down: draw.is(0.5) ? 0 : draw.whole(0, 8_000) };
  if (lot < 0.97 && hidden) return { kind: "move" };
  return { kind: "silence", span: draw.is(0.7) ? draw.whole(200, 20_000) : draw.whole(20_000, 260_000) };
}
