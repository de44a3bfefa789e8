/** One request of the HTTP interface and its answer, without sockets. */
import { faultText } from "#control/fault";

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

/** Elements of an array in one piece of an answer. */
const PIECE = 100;

/** The same for an object with arrays that may be long: those are written piece by piece. */
export function longJsonAnswer(value: object): HttpAnswer {
  const isLong = Object.values(value).some((own) => Array.isArray(own) && own.length > PIECE);
  return isLong ? { status: 200, type: JSON_TYPE, body: linePieces(value) } : jsonAnswer(value);
}

async function* linePieces(value: object): AsyncGenerator<string> {
  yield* jsonPieces(value);
  yield "\n";
}

/** Of an object with arrays that may be long: each piece is little work. */
export function* jsonPieces(value: object): Generator<string> {
  let text = "{";
  let between = "";
  for (const [key, own] of Object.entries(value)) {
    if (own === undefined) continue;
    text += `${between}${JSON.stringify(key)}:`;
    between = ",";
    if (!Array.isArray(own) || own.length <= PIECE) {
      text += JSON.stringify(own);
      continue;
    }
    for (let at = 0; at < own.length; at += PIECE) {
      yield `${text}${at === 0 ? "[" : ","}${JSON.stringify(own.slice(at, at + PIECE)).slice(1, -1)}`;
      text = "";
    }
    text = "]";
  }
  yield `${text}}`;
}

/** A fault of ours in one answer is no reason to end a gateway, or to leave its client without a word. */
export function faultAnswer(error: unknown): HttpAnswer & { readonly body: string } {
  const value = { error: { code: "fault", why: faultText(error) } };
  return { status: 500, type: JSON_TYPE, body: `${JSON.stringify(value)}\n` };
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
