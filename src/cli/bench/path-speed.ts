/** What gets from host A to host B: a TCP stream, small packets, and round trips beside the stream. */
import { setTimeout as after } from "node:timers/promises";
import { percentile, rounded } from "#cli/demo/figures";
import type { Agent } from "#lab/agent";
import { LabError } from "#lab/children";
import { hostA, hostB, type Lab } from "#lab/lab";

/** Round trips have processes of their own: one event loop for stream and echo would measure itself. */
export interface Ends {
  readonly a: Agent;
  readonly b: Agent;
  readonly askingA: Agent;
  readonly answeringB: Agent;
}

export async function startEnds(lab: Lab): Promise<Ends> {
  const { hostA: boxA, hostB: boxB } = lab.network;
  const [a, b, askingA, answeringB] = await Promise.all([
    lab.startAgent(boxA),
    lab.startAgent(boxB),
    lab.startAgent(boxA),
    lab.startAgent(boxB),
  ]);
  return { a, b, askingA, answeringB };
}

export interface PathFigures {
  readonly tcpGbps: number;
  /** Of 64 octets with their IPv4 header, at most 0.5 % of them lost. */
  readonly packetsPerSecond: number;
  /** The sender could not send more: the path may carry more. */
  readonly senderBound: boolean;
  readonly roundTripMs: { readonly p50: number; readonly p99: number; readonly lost: number };
}

/** UDP payload of an IPv4 packet of 64 octets. */
const SMALL_OCTETS = 36;
const LOSS_ALLOWED = 0.005;
const FIRST_PER_SECOND = 8000;
const MOST_PER_SECOND = 1_000_000;
const TRIALS = 10;
/** The answer is that exact. */
const NEAR_ENOUGH = 1.1;
/** A sender that takes longer than this part of its time cannot keep the pace. */
const LATE = 1.2;
/** What is still queued when the sender stops counts, within 50 ms of the last. */
const STILL_LOOKS = 2;
const WARM_UP_SECONDS = 0.4;
const SETTLE_MILLIS = 300;
const ECHOES = 20;
const ECHO_PAUSE_MILLIS = 3;

export async function tcpGbps({ a, b }: Ends, seconds: number): Promise<number> {
  await b.pull(hostA(a), WARM_UP_SECONDS);
  const { octets, seconds: taken, damaged } = await b.pull(hostA(a), seconds);
  if (damaged > 0) throw new LabError(`TCP: ${damaged} pieces are not what was sent`);
  return rounded((octets * 8) / taken / 1e9, 3);
}

/** The highest rate that arrives but for 0.5 %: doubled until it does not, then between the two. */
export async function smallPackets(
  { a, b }: Ends,
  stepSeconds: number,
  nextFlow: () => number,
): Promise<Pick<PathFigures, "packetsPerSecond" | "senderBound">> {
  let [good, bad, found, senderBound] = [0, Number.POSITIVE_INFINITY, 0, false];
  await a.flow(hostB(b), nextFlow(), FIRST_PER_SECOND * WARM_UP_SECONDS, FIRST_PER_SECOND, SMALL_OCTETS);
  let rate = FIRST_PER_SECOND;
  for (let trial = 0; trial < TRIALS && rate <= MOST_PER_SECOND && bad > good * NEAR_ENOUGH; trial++) {
    const flow = nextFlow();
    const count = Math.ceil(rate * stepSeconds);
    const { seconds } = await a.flow(hostB(b), flow, count, rate, SMALL_OCTETS);
    const { received } = await b.finalFlowReport(flow, count, STILL_LOOKS);
    const whole = received >= count * (1 - LOSS_ALLOWED);
    const late = seconds > stepSeconds * LATE;
    if (whole && !late) {
      good = rate;
      found = received / seconds;
    } else {
      bad = rate;
      senderBound = whole;
    }
    rate = bad === Number.POSITIVE_INFINITY ? rate * 2 : (good + bad) / 2;
  }
  return { packetsPerSecond: Math.round(found), senderBound };
}

/** While a stream goes as fast as it can. */
export async function loadedRoundTrips(
  { a, b, askingA, answeringB }: Ends,
  seconds: number,
): Promise<PathFigures["roundTripMs"]> {
  const stream = { over: false };
  const load = b.pull(hostA(a), seconds + SETTLE_MILLIS / 1000).finally(() => {
    stream.over = true;
  });
  // It is awaited below; until then nobody listens.
  load.catch(() => undefined);
  await after(SETTLE_MILLIS);
  const times: number[] = [];
  let lost = 0;
  while (!stream.over) {
    const { roundTrips, lost: missing } = await askingA.echo(
      hostB(answeringB),
      ECHOES,
      SMALL_OCTETS,
      ECHO_PAUSE_MILLIS,
    );
    // Those that saw its end do not count.
    if (stream.over && times.length > 0) break;
    times.push(...roundTrips);
    lost += missing;
  }
  await load;
  return { p50: rounded(percentile(times, 0.5), 3), p99: rounded(percentile(times, 0.99), 3), lost };
}
