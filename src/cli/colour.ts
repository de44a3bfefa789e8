/** Colours, only where a terminal shows them. */
const CODES = { red: 31, green: 32, yellow: 33, bold: 1, dim: 2 } as const;

export function paint(io: { readonly colours: boolean }, colour: keyof typeof CODES, text: string): string {
  return io.colours ? `\u001b[${CODES[colour]}m${text}\u001b[0m` : text;
}
