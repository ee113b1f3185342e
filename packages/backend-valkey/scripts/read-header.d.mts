export interface Header {
  readonly file: string
  readonly name: string
  readonly flags: readonly string[]
  /** Of writing functions. */
  readonly brings: 'submit' | 'terminal' | 'record' | 'nothing' | 'caller' | undefined
  readonly repeat: string
  readonly meaning: string
  /** The arguments' types: scalars, lists and tuples, and the same as TypeScript. */
  readonly args: { readonly items: readonly unknown[]; readonly text: string }
  readonly reply: string
  readonly errors: readonly string[]
  readonly code: string
}

export function readHeader(file: string, text: string): Header
