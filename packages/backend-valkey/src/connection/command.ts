/** One command: its name, then its arguments. Bytes go as they are, texts as UTF-8, numbers as decimal digits. */
export type Command = readonly [name: string, ...args: (string | Uint8Array | number)[]]

/** What a server answered: bulk and status replies are bytes, never texts, because most of them are packed records. */
export type Reply = Buffer | number | null | readonly Reply[]

/** The text of a reply that is one; anything else is `undefined`. */
export function textOf(reply: Reply | undefined): string | undefined {
  return Buffer.isBuffer(reply) ? reply.toString() : undefined
}
