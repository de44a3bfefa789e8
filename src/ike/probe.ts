/**
 * First messages that ask what a peer would take, and what its answers say: nothing is kept, nothing is negotiated further.
 *
 *   IKE_SA_INIT: HDR, [N(COOKIE)], SA, KE, Ni, N(NAT_D…), V  -->      main mode: HDR, SA, VID…  -->
 */
import type { Endpoint } from "#core/address";
import { WireError } from "#core/errors";
import { ProtocolId, type Transform } from "#core/proposal";
import { decodeChain, encodeMessage } from "#wire/ike/chain";
import { decodeHeader } from "#wire/ike/header";
import { ExchangeType, FIRST_STATUS_NOTIFY, IkeFlag, NotifyType, nameOf } from "#wire/ike/numbers";
import { decodeChain as decodeChain1, encodeMessage as encodeMessage1 } from "#wire/ike/v1/chain";
import { Exchange, NotifyType as NotifyType1 } from "#wire/ike/v1/numbers";
import type { SaPayload as SaPayload1 } from "#wire/ike/v1/sa";
import { notify } from "#wire/ike/v2/notify";
import type { NatFindings } from "./nat-detection.ts";
import { dataOf, natFindings, natNotifies } from "./v2/nat-t.ts";

const NOTHING = new Uint8Array(0);

export type ProbeAnswer =
  | { readonly kind: "taken"; readonly transforms: readonly Transform[]; readonly nat: NatFindings }
  | { readonly kind: "cookie"; readonly data: Uint8Array }
  /** It would take this key exchange. */
  | { readonly kind: "other-key-exchange"; readonly method: number }
  /** "NO_PROPOSAL_CHOSEN" */
  | { readonly kind: "refused"; readonly notify: string };

/** What an answer says; `vendors`: hex, or text where it is text. */
export type ReadAnswer = ProbeAnswer & { readonly vendors: readonly string[] };

export interface InitProbe {
  readonly initiatorSpi: bigint;
  readonly proposals: readonly (readonly Transform[])[];
  readonly keMethod: number;
  readonly publicKey: Uint8Array;
  readonly nonce: Uint8Array;
  readonly cookie: Uint8Array | undefined;
  readonly local: Endpoint;
  readonly remote: Endpoint;
  /** Octets of the whole message, filled up by a vendor ID; 0 = as short as it is. */
  readonly length: number;
}

export function buildInitProbe(probe: InitProbe): Uint8Array {
  const short = initMessage(probe, 0);
  // A payload of its own has a header of four octets.
  const missing = probe.length - short.length - 4;
  return missing > 0 ? initMessage(probe, missing) : short;
}

function initMessage(probe: InitProbe, filling: number): Uint8Array {
  const { initiatorSpi, proposals, keMethod, publicKey, nonce, cookie, local, remote } = probe;
  const path = { local, remote, natLocal: false, natRemote: false, remoteForces: false };
  return encodeMessage(
    {
      initiatorSpi,
      responderSpi: 0n,
      majorVersion: 2,
      minorVersion: 0,
      exchangeType: ExchangeType.IKE_SA_INIT,
      flags: IkeFlag.INITIATOR,
      messageId: 0,
    },
    [
      ...(cookie === undefined ? [] : [notify(NotifyType.COOKIE, cookie)]),
      {
        kind: "SA",
        proposals: proposals.map((transforms, i) => ({
          number: i + 1,
          protocol: ProtocolId.IKE,
          spi: NOTHING,
          transforms,
        })),
      },
      { kind: "KE", method: keMethod, data: publicKey },
      { kind: "Nonce", data: nonce },
      ...natNotifies({ initiatorSpi, responderSpi: 0n }, path, false),
      ...(filling > 0 ? [{ kind: "V", data: new Uint8Array(filling) } as const] : []),
    ],
  );
}

/** undefined: it is no answer to this probe. */
export function readInitAnswer(octets: Uint8Array, probe: InitProbe): ReadAnswer | undefined {
  return reading(() => {
    const header = decodeHeader(octets);
    if (header.initiatorSpi !== probe.initiatorSpi || header.majorVersion !== 2) return undefined;
    const payloads = decodeChain(header.nextPayload, octets, 28);
    const notifies = payloads.flatMap((one) => (one.kind === "N" ? [one] : []));
    const vendors = payloads.flatMap((one) => (one.kind === "V" ? [vendorText(one.data)] : []));
    const [cookie] = dataOf(notifies, NotifyType.COOKIE);
    if (cookie !== undefined) return { kind: "cookie", data: cookie, vendors };
    const [wanted] = dataOf(notifies, NotifyType.INVALID_KE_PAYLOAD);
    if (wanted !== undefined)
      return { kind: "other-key-exchange", method: (wanted[0] ?? 0) * 256 + (wanted[1] ?? 0), vendors };
    const error = notifies.find(({ type }) => type < FIRST_STATUS_NOTIFY);
    if (error !== undefined) return { kind: "refused", notify: nameOf(NotifyType, error.type), vendors };
    const sa = payloads.find((one) => one.kind === "SA");
    const spis = { initiatorSpi: header.initiatorSpi, responderSpi: header.responderSpi };
    const nat = natFindings(spis, notifies, probe.local, probe.remote);
    const [chosen] = sa?.kind === "SA" ? sa.proposals : [];
    return chosen === undefined ? undefined : { kind: "taken", transforms: chosen.transforms, nat, vendors };
  });
}

/** Main mode's first message (RFC 2409 §5). */
export function buildMainModeProbe(initiatorSpi: bigint, sa: SaPayload1): Uint8Array {
  return encodeMessage1(
    {
      initiatorSpi,
      responderSpi: 0n,
      majorVersion: 1,
      minorVersion: 0,
      exchangeType: Exchange.MAIN_MODE,
      flags: 0,
      messageId: 0,
    },
    [sa],
  );
}

export type ReadMainMode =
  | { readonly kind: "taken"; readonly sa: SaPayload1; readonly vendors: readonly string[] }
  | { readonly kind: "refused"; readonly notify: string; readonly vendors: readonly string[] };

/** undefined: it is no answer to this probe. */
export function readMainModeAnswer(octets: Uint8Array, initiatorSpi: bigint): ReadMainMode | undefined {
  return reading(() => {
    const header = decodeHeader(octets);
    if (header.initiatorSpi !== initiatorSpi || header.majorVersion !== 1) return undefined;
    const payloads = decodeChain1(header.nextPayload, octets, 28);
    const vendors = payloads.flatMap((one) => (one.kind === "VID" ? [vendorText(one.data)] : []));
    for (const one of payloads) {
      if (one.kind === "N") return { kind: "refused", notify: nameOf(NotifyType1, one.type), vendors };
      if (one.kind === "SA") return { kind: "taken", sa: one, vendors };
    }
    return undefined;
  });
}

function reading<Result>(work: () => Result | undefined): Result | undefined {
  try {
    return work();
  } catch (error) {
    if (error instanceof WireError) return undefined;
    throw error;
  }
}

function vendorText(data: Uint8Array): string {
  const text = [...data.subarray(0, 32)];
  if (text.every((octet) => octet >= 0x20 && octet < 0x7f)) return String.fromCharCode(...text);
  return text.map((octet) => octet.toString(16).padStart(2, "0")).join("");
}
