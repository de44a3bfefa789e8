/** ICMP errors about our own packets (RFC 4301 §8.2): believed only when they quote an SA of ours to that very peer. */
import { LaneEvent } from "#core/event-ring";
import type { PathError } from "#core/ports";
import { unreachableReason } from "#core/unreachable";
import { AH_SPI } from "#ipsec/ah-header";
import { acceptPathMtu } from "#ipsec/pmtu";
import { SA_COLUMNS, Sa, SaFlag } from "#ipsec/sa";
import type { LaneContext } from "./lane-context.ts";
import type { LaneSas } from "./lane-sas.ts";

/** Errors looked at in one go: a flood of them must not keep packets waiting. */
const BATCH = 32;
/** Where the SPI stands: first in ESP (RFC 4303 §2), after next header, length and reserved in AH (RFC 4302 §2). */
const ESP_SPI = 0;
const SPI_OCTETS = 4;
const MARKER_OCTETS = 4;

export class PathErrors {
  readonly #context: LaneContext;
  readonly #sas: LaneSas;

  constructor(context: LaneContext, sas: LaneSas) {
    this.#context = context;
    this.#sas = sas;
  }

  take(): void {
    for (let i = 0; i < BATCH; i++) {
      const error = this.#context.port.takeError();
      if (error === undefined) return;
      if (error.mtu <= 0) {
        this.#tellIke(error);
        continue;
      }
      const slot = this.#quotedSlot(error);
      if (slot < 0) this.#tellOthers(error);
      else this.consider(slot, error);
    }
  }

  /** Behind the UDP header comes IKE's marker of zeros (RFC 3948 §2.2); a short quotation may be of either kind. */
  #tellIke({ code, quoted, socket, family, port, destination }: PathError): void {
    const { events, sockets } = this.#context;
    const reason = unreachableReason(code);
    if (reason === undefined || sockets[socket]?.kind !== "udp") return;
    if (quoted.subarray(0, MARKER_OCTETS).some((octet) => octet !== 0)) return;
    events.push(LaneEvent.IKE_UNREACHABLE, -1, reason === "refused" ? 1 : 0, [family, port, ...destination]);
  }

  /** Lanes share UDP ports, and the kernel gives an error about a port to any of them. Raw sockets get every error. */
  #tellOthers({ quoted, socket, mtu, family, destination }: PathError): void {
    const { events, mesh, sockets } = this.#context;
    if (mesh.lanes <= 1 || sockets[socket]?.kind !== "udp" || quoted.length < ESP_SPI + SPI_OCTETS) return;
    const spi = new DataView(quoted.buffer, quoted.byteOffset).getInt32(ESP_SPI);
    events.push(LaneEvent.PATH_ERROR, -1, mtu, [spi, family, ...destination]);
  }

  /** An error that quotes this outbound SA. */
  consider(slot: number, error: Pick<PathError, "mtu" | "family" | "destination">): void {
    const { table, events } = this.#context;
    const sa = slot * SA_COLUMNS;
    const toPeer = error.destination.every((word, i) => word === table.columns[sa + Sa.REMOTE + i]);
    const current = table.columns[sa + Sa.PATH_MTU] ?? 0;
    const pathMtu = acceptPathMtu(error.mtu, current, error.family, toPeer);
    if (pathMtu < 0) return;
    // The encapsulation's cost is what it was: the inner MTU moves with the path's (alignment rounds it down once more).
    const align = Math.max(table.columns[sa + Sa.ALIGN] ?? 4, 4);
    const mtu = (table.columns[sa + Sa.MTU] ?? 0) - (current - pathMtu) - (align - 1);
    this.#sas.setPathMtu(slot, mtu, pathMtu);
    events.push(LaneEvent.PATH_MTU, slot, pathMtu);
  }

  /** The outbound SA whose MTU is asked for packets: of a bundle the one inside the AH. */
  #quotedSlot({ quoted, socket }: PathError): number {
    const { sockets, table } = this.#context;
    const ah = sockets[socket]?.kind === "ah";
    const at = ah ? AH_SPI : ESP_SPI;
    if (quoted.length < at + SPI_OCTETS) return -1;
    const view = new DataView(quoted.buffer, quoted.byteOffset, quoted.byteLength);
    const slot = this.#sas.outboundBySpi.get(view.getInt32(at)) ?? -1;
    if (slot < 0 || ((table.column(slot, Sa.FLAGS) & SaFlag.AH) !== 0) !== ah) return -1;
    const bundled = table.column(slot, Sa.FLAGS) & SaFlag.BUNDLED;
    return ah && bundled !== 0 ? table.column(slot, Sa.BUNDLE) : slot;
  }
}
