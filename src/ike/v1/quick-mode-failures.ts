/** Quick modes that come to nothing: what was drawn is given back, the peer and people hear why, or a new main mode is tried. */
import type { Connection } from "#core/connection";
import { ProtocolId } from "#core/proposal";
import type { Failure } from "#ike/host";
import { deletePayload } from "#wire/ike/v1/delete";
import { type NotifyPayload, notify } from "#wire/ike/v1/notify";
import { NotifyType, notifyName } from "#wire/ike/v1/numbers";
import { alternativesDiff, decodeAlternatives } from "./alternatives.ts";
import { inform, spiOctets } from "./delete.ts";
import { downgradeQuickMode } from "./export-downgrade.ts";
import type { Host } from "./host.ts";
import type { IsakmpSa, Live } from "./isakmp-sa.ts";
import type { PeerLine } from "./peer-line.ts";
import { drawnSpis, type ExchangeOf, isMaking, type Phase2Exchange, taskOf, wipeExchange } from "./phase2-state.ts";
import type { Refused } from "./quick-mode-terms.ts";
import { configOf, type QuickTask } from "./tasks.ts";

export const QUICK_MODE = "quick mode";

/** The exchange is over: nothing of it is left, what it had drawn is given back. */
export function dropExchange(host: Host, sa: IsakmpSa, live: Live, messageId: number): void {
  const exchange = live.exchanges.get(messageId);
  if (exchange === undefined) return;
  for (const spi of drawnSpis(exchange)) host.world.spis.giveBack(spi);
  wipeExchange(exchange);
  forgetExchange(host, sa, live, messageId);
}

/** The same for one whose SPIs and nonces went on. */
export function forgetExchange(host: Host, sa: IsakmpSa, live: Live, messageId: number): void {
  live.exchanges.delete(messageId);
  host.endPhase2(sa, messageId);
  host.touch(sa.line);
}

export function failTask(host: Host, line: PeerLine, task: QuickTask, failure: Omit<Failure, "child" | "stage">): void {
  host.failed(line, { ...failure, child: configOf(task.work).name, stage: QUICK_MODE });
}

/** Ours, before a pair was made of it: by our own decision. `spis`: those the peer installed for us. */
export function failOwn(host: Host, sa: IsakmpSa, live: Live, messageId: number, refused: Refused): void {
  const exchange = live.exchanges.get(messageId);
  const task = exchange && taskOf(exchange);
  const installed = exchange?.kind === "AwaitMessage2" || exchange?.kind === "AgreeingKe" ? drawnParts(exchange) : [];
  dropExchange(host, sa, live, messageId);
  if (installed.length > 0)
    inform(host, sa, live, [
      notify(refused.notify, installed[0]?.protocol ?? ProtocolId.ESP, installed[0]?.spi),
      ...installed.map(({ protocol, spi }) => deletePayload(protocol, [spi])),
    ]);
  if (task === undefined) return;
  const { problem, remedy } = refused;
  failTask(host, sa.line, task, { notify: notifyName(refused.notify), from: "us", reason: problem, remedy });
}

/** One protocol's inbound SPI that we offered. */
export interface DrawnPart {
  readonly protocol: number;
  readonly spi: Uint8Array;
}

export function drawnParts(exchange: ExchangeOf<"AwaitMessage2" | "AgreeingKe">): DrawnPart[] {
  if (exchange.kind === "AgreeingKe")
    return exchange.plan.parts.map(({ suite, inboundSpi }) => ({
      protocol: suite.protocol === "ah" ? ProtocolId.AH : ProtocolId.ESP,
      spi: spiOctets(inboundSpi),
    }));
  return exchange.offer.sa.proposals
    .filter(({ protocol, spi }, i, all) => all.findIndex((one) => one.protocol === protocol) === i && spi.length === 4)
    .map(({ protocol, spi }) => ({ protocol, spi }));
}

/** A quick mode of the peer's is refused before anything was made: told under protection, with alternatives where wanted (S51). */
export function refuse(host: Host, sa: IsakmpSa, live: Live, refused: Refused, about: NotifyPayload): void {
  host.count("child_refused");
  inform(host, sa, live, [about]);
  const { problem, remedy } = refused;
  host.failed(sa.line, {
    child: undefined,
    stage: QUICK_MODE,
    notify: notifyName(refused.notify),
    from: "us",
    reason: problem,
    remedy,
  });
}

/**
 * The quick mode is tried once more over a new main mode: nobody answered (S67), or the peer takes no second one from the same
 * master key (S31). False: it had that chance, or the first quick mode of a main mode has failed for all that we know.
 */
export function retryOverNewMainMode(host: Host, sa: IsakmpSa, live: Live, task: QuickTask): boolean {
  if ((live.quickModes === 0 && !live.unanswered) || task.tries > 0) return false;
  sa.line.tasks.unshift({ ...task, tries: task.tries + 1, notBefore: host.now });
  return true;
}

/** An error notification; whatever of ours it means ends. */
export function onRefusal(host: Host, sa: IsakmpSa, live: Live, messageId: number, payload: NotifyPayload): void {
  const [id, exchange] = meant(live, messageId, payload) ?? [];
  if (id === undefined || exchange === undefined) {
    host.count("drop_state");
    return;
  }
  const { task, offer } = exchange;
  const { line } = sa;
  dropExchange(host, sa, live, id);
  if (payload.type === NotifyType.NO_PROPOSAL_CHOSEN && retryOverNewMainMode(host, sa, live, task)) {
    // S31: "the sender causes the main mode SA to expire and then renegotiates"; make before break.
    line.spent = sa;
    return;
  }
  if (downgradeQuickMode(host, sa, task, payload.type)) return;
  const [reason, remedy] = REFUSALS.get(payload.type) ?? [
    `the peer answered ${notifyName(payload.type)}`,
    "see the peer's log for its reason",
  ];
  const alternatives = decodeAlternatives(payload.data);
  const diff = alternatives && alternativesDiff(offer.sa, alternatives);
  const shown = diff === undefined ? "" : `; it would take: ${diff.summary}\n${diff.lines.join("\n")}`;
  failTask(host, line, task, {
    notify: notifyName(payload.type),
    from: "peer",
    reason: reason + shown,
    remedy: remedy.replace("CONNECTION", nameOf(line)),
  });
}

function nameOf({ connection }: { readonly connection: Connection }): string {
  return connection.name;
}

/** By M-ID, else by our SPI, else the oldest: an informational exchange does not say which quick mode it is about. */
function meant(
  live: Live,
  messageId: number,
  { spi }: NotifyPayload,
): readonly [number, ExchangeOf<"AwaitMessage2">] | undefined {
  const waiting = [...live.exchanges].filter(isAwaiting);
  const bySpi = ([, { offer }]: readonly [number, ExchangeOf<"AwaitMessage2">]) =>
    [offer.espSpi, offer.ahSpi].some((own) => own !== undefined && sameSpi(spiOctets(own), spi));
  return waiting.find(([id]) => id === messageId) ?? waiting.find(bySpi) ?? waiting[0];
}

function isAwaiting(entry: readonly [number, Phase2Exchange]): entry is [number, ExchangeOf<"AwaitMessage2">] {
  return entry[1].kind === "AwaitMessage2";
}

function sameSpi(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((octet, i) => octet === b[i]);
}

/** Quick modes that are under way and will count against the refresh limit. */
export function makingCount({ exchanges }: Live): number {
  let count = 0;
  for (const exchange of exchanges.values()) if (isMaking(exchange)) count++;
  return count;
}

const REFUSALS: ReadonlyMap<number, readonly [reason: string, remedy: string]> = new Map([
  [
    NotifyType.NO_PROPOSAL_CHOSEN,
    [
      "the peer takes none of our proposals, or wants PFS that we do not offer",
      "make algorithms, mode and PFS group equal on both sides",
    ],
  ],
  [
    NotifyType.INVALID_ID_INFORMATION,
    ["the peer has no policy for these selectors", "make local and remote selectors mirror each other"],
  ],
  [
    NotifyType.PAYLOAD_MALFORMED,
    ["the peer found our message malformed", "look for a broken implementation in its log"],
  ],
  [
    NotifyType.INVALID_HASH_INFORMATION,
    ["the peer could not verify our message", "look for a broken implementation in its log"],
  ],
  [
    NotifyType.ATTRIBUTES_NOT_SUPPORTED,
    ["the peer does not know an attribute of our offer", "offer less: leave out ESN and lifetimes in octets"],
  ],
  [
    NotifyType.INVALID_KEY_INFORMATION,
    ["the peer does not like our Diffie-Hellman value", "make the PFS group of CONNECTION equal on both sides"],
  ],
]);
