/** What is wrong with a child before anything is taken for it. */
import type { ChildSaSpec } from "#core/child-sa-spec";
import { ConfigError } from "#core/errors";
import { foreignSpi } from "#core/steering";
import { type Spi, spiToString } from "#core/units";
import { cipherKeyProblem } from "#crypto/suite";

/** Whoever asks, IKE or a file: no encryption without integrity, no key of another length, no reserved SPI. */
export function refuseBadKeys(spec: ChildSaSpec): void {
  for (const protocol of spec.outerAh === undefined ? [spec] : [spec, spec.outerAh])
    for (const direction of ["inbound", "outbound"] as const) {
      const { spi, encryptionKey, integrityKey } = protocol[direction];
      const fault = cipherKeyProblem({ ...protocol.suite, encryptionKey, integrityKey });
      if (fault !== undefined) throw ConfigError.of(`sa.${direction}`, fault.problem, fault.remedy);
      // RFC 4303 §2.1. On the wire 0 would be IKE's (RFC 3948 §2.2).
      if (spi >>> 0 < 256)
        throw ConfigError.of(`sa.${direction}.spi`, `SPI ${spiToString(spi)} is reserved`, "choose one from 256 on");
    }
}

/** The kernel gives a packet to the lane of its SPI, whoever asked for another one. */
export function refuseForeignSpi(spec: ChildSaSpec, lanes: number): void {
  for (const spi of inboundSpisOf(spec)) {
    const fault = foreignSpi(spi, spec.lane, lanes);
    if (fault !== undefined) throw ConfigError.of("sa.inbound.spi", fault.problem, fault.remedy);
  }
}

export function inboundSpisOf(spec: ChildSaSpec): Spi[] {
  return [spec.inbound.spi, ...(spec.outerAh === undefined ? [] : [spec.outerAh.inbound.spi])];
}
