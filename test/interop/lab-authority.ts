/** A CA of our own maker, and certificates under it that are good or wrong in one thing. */
import { parseIdentity } from "#crypto/identity";
import {
  type Authority,
  type CertificateRequest,
  type KeyKind,
  makeAuthority,
  makeCertificate,
  makeCrl,
  makeKey,
} from "#crypto/x509/certificate-maker";
import { encodePem } from "#crypto/x509/pem";
import { systemRandom } from "#io/system-random";
import type { LabFiles } from "#lab/ike-config";

const SECOND = 1000;
export const HOUR: number = 3600 * SECOND;

/** The present, in whole seconds as certificates have them. */
export const NOW: number = Math.floor(Date.now() / SECOND) * SECOND;

const VALIDITY = { notBefore: NOW - HOUR, notAfter: NOW + 24 * HOUR, random: systemRandom };

export interface Issued {
  readonly certificate: Uint8Array;
  readonly files: LabFiles;
}

export class LabAuthority {
  readonly #kind: KeyKind;
  readonly #subject: string;
  readonly #root: Authority;
  readonly #chain: Authority[] = [];

  /** `below`: CAs between this one and what it issues. */
  constructor(kind: KeyKind, subject: string, below = 0) {
    this.#kind = kind;
    this.#subject = subject;
    const key = makeKey(kind);
    this.#root = { key, certificate: makeAuthority({ key, subject, ...VALIDITY }) };
    for (let i = 1; i <= below; i++) {
      const issuer = this.#issuer;
      const next = makeKey(kind);
      const certificate = makeAuthority({ key: next, subject: `${subject} ${i}`, issuer, ...VALIDITY });
      this.#chain.unshift({ key: next, certificate });
    }
  }

  get #issuer(): Authority {
    return this.#chain[0] ?? this.#root;
  }

  /** Where who trusts it has it. */
  get trust(): LabFiles {
    const name = /\w+$/.exec(this.#subject)?.[0] ?? "ca";
    return { [`x509ca/${name}.pem`]: encodePem({ label: "CERTIFICATE", octets: this.#root.certificate }) };
  }

  /** Certificate with what leads to the root, and key; `wrong`: what it has in place of what is good. */
  issue(name: string, alternativeNames: readonly string[], wrong: Partial<CertificateRequest> = {}): Issued {
    const key = makeKey(this.#kind);
    const certificate = makeCertificate({
      issuer: this.#issuer,
      subject: `O=Lab, CN=${name}`,
      spki: key.spki,
      alternativeNames: alternativeNames.flatMap((text) => parseIdentity(text) ?? []),
      ...VALIDITY,
      ...wrong,
    });
    const chain = this.#chain.map(({ certificate: octets }, i): [string, Uint8Array] => [
      `x509/${name}-ca${i}.pem`,
      encodePem({ label: "CERTIFICATE", octets }),
    ]);
    return {
      certificate,
      files: {
        [`x509/${name}.pem`]: encodePem({ label: "CERTIFICATE", octets: certificate }),
        [`private/${name}.pem`]: encodePem({ label: "PRIVATE KEY", octets: key.pkcs8 }),
        ...Object.fromEntries(chain),
      },
    };
  }

  crl(...revoked: readonly Uint8Array[]): LabFiles {
    const list = makeCrl({
      issuer: this.#root,
      thisUpdate: NOW - HOUR,
      nextUpdate: NOW + HOUR,
      number: 1,
      revoked: revoked.map((certificate) => ({ certificate, at: NOW - HOUR })),
    });
    return { "x509crl/crl.pem": encodePem({ label: "X509 CRL", octets: list }) };
  }
}
