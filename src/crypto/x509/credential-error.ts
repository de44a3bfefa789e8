/** A file or octets that are no usable key, certificate or CRL: one line with the remedy, never a secret. */
export class CredentialError extends Error {
  readonly code = "CREDENTIAL";
  readonly problem: string;
  readonly remedy: string;

  constructor(problem: string, remedy: string) {
    super(`${problem}; ${remedy}`);
    this.name = "CredentialError";
    this.problem = problem;
    this.remedy = remedy;
  }
}
