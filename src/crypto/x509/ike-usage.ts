/** What a certificate must allow for IKE to believe it (RFC 4945 §5.1.3). */
import { type Certificate, ExtendedUsageOid, KeyUsageBit } from "./certificate.ts";

// RFC 4945 §5.1.3.12 asks for these or any; gateways in use also have what TLS servers and clients have.
const GOOD_FOR_IKE: ReadonlySet<string> = new Set([
  ExtendedUsageOid.any,
  ExtendedUsageOid.ikeIntermediate,
  ExtendedUsageOid.ipsecIke,
  ExtendedUsageOid.serverAuth,
  ExtendedUsageOid.clientAuth,
]);

/** "may not …: remedy", to be read after "certificate of …"; undefined = good. */
export function ikeUsageProblem({ keyUsage, extendedUsage }: Certificate): string | undefined {
  // RFC 4945 §5.1.3.2
  const signs = keyUsage?.has(KeyUsageBit.digitalSignature) || keyUsage?.has(KeyUsageBit.nonRepudiation);
  if (keyUsage !== undefined && !signs) {
    return "may not sign (keyUsage without digitalSignature): issue one with digitalSignature";
  }
  if (extendedUsage !== undefined && !extendedUsage.some((oid) => GOOD_FOR_IKE.has(oid))) {
    return "is not meant for IKE (extKeyUsage): issue one with ikeIntermediate, serverAuth or clientAuth, or without extKeyUsage";
  }
  return undefined;
}
