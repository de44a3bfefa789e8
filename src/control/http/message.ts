/** One request of the HTTP interface and its answer, without sockets. */

export interface HttpQuestion {
  readonly method: string;
  /** As it was sent: "/v1/tunnels/hq/net?sas=1". */
  readonly target: string;
  /** The Host header; undefined = none or several. */
  readonly host: string | undefined;
  /** The unix socket is its owner's alone; TCP is anybody's who reaches it. */
  readonly via: "unix" | "tcp";
  /** Last-Event-ID of a stream that begins again. */
  readonly lastEvent: string | undefined;
  readonly body: string;
}

export interface HttpAnswer {
  readonly status: number;
  readonly type: string;
  /** Beside those of every answer. */
  readonly headers?: Readonly<Record<string, string>>;
  /** Pieces: one a turn of the event loop, as fast as they are taken. */
  readonly body: string | AsyncIterable<string>;
}

/** Octets of a POST's body. */
export const BODY_LIMIT = 4096;

const JSON_TYPE = "application/json; charset=utf-8";

export function jsonAnswer(value: unknown, status = 200): HttpAnswer {
  return { status, type: JSON_TYPE, body: `${JSON.stringify(value)}\n` };
}

/** `why`: reason and remedy in one line. */
export function errorAnswer(status: number, code: string, why: string, headers?: HttpAnswer["headers"]): HttpAnswer {
  return { ...jsonAnswer({ error: { code, why } }, status), ...(headers === undefined ? {} : { headers }) };
}

/** Of every answer: nothing is kept, framed, sniffed or fetched from elsewhere. */
export const COMMON_HEADERS: Readonly<Record<string, string>> = {
  "Cache-Control": "no-store",
  "Content-Security-Policy":
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  "Cross-Origin-Opener-Policy": "same-origin",
  "Cross-Origin-Resource-Policy": "same-origin",
  "Referrer-Policy": "no-referrer",
  "X-Content-Type-Options": "nosniff",
  "X-Frame-Options": "DENY",
};
