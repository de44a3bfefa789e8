/** What `default` offers, the same on both sides. */
import { ProtocolId } from "#core/proposal";

/**
 * RFC 8221 and RFC 8247's MUST and SHOULD, the best first; ESP with and without extended sequence numbers; PFS wherever the
 * peer has it.
 */
export const DEFAULT_PROPOSALS: Readonly<Record<ProtocolId, readonly string[]>> = {
  [ProtocolId.IKE]: [
    "aes256gcm16-aes128gcm16-chacha20poly1305-prfsha384-prfsha256-prfsha512-x25519-ecp256-ecp384-ecp521-x448-modp3072-modp4096-modp2048",
    "aes256-aes128-sha256-sha384-sha512-prfsha256-prfsha384-prfsha512-x25519-ecp256-ecp384-ecp521-x448-modp3072-modp4096-modp2048",
  ],
  [ProtocolId.ESP]: [
    "aes256gcm16-aes128gcm16-chacha20poly1305-x25519-ecp256-ecp384-modp3072-modp2048-none-esn-noesn",
    "aes256-aes128-sha256-sha384-sha512-x25519-ecp256-ecp384-modp3072-modp2048-none-esn-noesn",
  ],
  [ProtocolId.AH]: ["sha256-sha384-sha512-x25519-ecp256-ecp384-modp3072-modp2048-none-esn-noesn"],
};

/** The same for IKEv1, which names every combination: few enough for the first message to be one packet. */
export const VERSION_1_PROPOSALS: Readonly<Record<ProtocolId, readonly string[]>> = {
  [ProtocolId.IKE]: ["aes256-aes128-sha256-sha384-ecp256-ecp384-modp3072-modp2048"],
  [ProtocolId.ESP]: ["aes256gcm16-aes128gcm16-noesn", "aes256-aes128-sha256-noesn"],
  [ProtocolId.AH]: ["sha256-sha384-noesn"],
};
