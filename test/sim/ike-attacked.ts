/** What an IKE node is configured to be that intruders are tried on. */
import type { IkeConfig } from "#core/connection";
import { type Proposal, ProtocolId, type Transform, TransformType } from "#core/proposal";
import { KeMethod } from "#crypto/key-exchange";
import { PrfId } from "#crypto/prf";
import { Encryption, Integrity } from "#crypto/transforms";
import { B, childConfig, connection, credentials, id, ikeProposal, localAuth, remoteAuth } from "./ike-config.ts";
import { INTRUDER, INTRUDER_NAME, INTRUDER_NET } from "./ike-intruder.ts";

export const INTRUDER_SECRET: Uint8Array = Uint8Array.from({ length: 24 }, (_, i) => 0x30 + i);

/** What the captured messages propose, so that their mutants go deep. */
function wideProposal(): Proposal {
  const row = (type: number, id: number, keyBits = 0): Transform => ({ type, id, keyBits });
  return {
    protocol: ProtocolId.IKE,
    transforms: [
      ...[128, 192, 256].map((bits) => row(TransformType.ENCR, Encryption.AES_CBC, bits)),
      row(TransformType.ENCR, Encryption.TRIPLE_DES),
      ...[PrfId.HMAC_SHA1, PrfId.HMAC_SHA2_256, PrfId.HMAC_MD5].map((prf) => row(TransformType.PRF, prf)),
      ...[Integrity.HMAC_SHA1_96, Integrity.HMAC_SHA2_256_128].map((integ) => row(TransformType.INTEG, integ)),
      ...[KeMethod.MODP_1024, KeMethod.MODP_2048, KeMethod.ECP_256].map((method) => row(TransformType.KE, method)),
    ],
  };
}

/** An honest peer's connection, one for the intruder, and one for anybody without a secret. */
export function attackedConfig(honest: IkeConfig): IkeConfig {
  const local = localAuth({ identity: id("b.example") });
  const anybody = { remoteAddresses: [{ kind: "any" }] } as const;
  return {
    connections: [
      ...honest.connections,
      connection(B, INTRUDER, {
        name: "known",
        local,
        remote: remoteAuth({ identity: id(INTRUDER_NAME) }),
        children: [childConfig("10.2.0.0/16", INTRUDER_NET, { name: "spare" })],
        mobike: true,
      }),
      connection(B, INTRUDER, {
        ...anybody,
        name: "anybody",
        local,
        proposals: [ikeProposal(), wideProposal()],
        children: [childConfig("10.2.0.0/16", "10.4.0.0/16", { name: "guest" })],
      }),
    ],
    credentials: credentials({
      secrets: [
        ...honest.credentials.secrets.map(({ secret }) => ({ secret, owners: [id("a.example")] })),
        { owners: [id(INTRUDER_NAME)], secret: INTRUDER_SECRET },
      ],
    }),
  };
}
