/** What a command uses of its surroundings; tests give their own. */
export interface Terminal {
  readonly env: Readonly<Record<string, string | undefined>>
  readonly cwd: string
  out(line: string): void
  err(line: string): void
  /** Fires when the user asks the command to end: SIGINT or SIGTERM. */
  readonly signal: AbortSignal
}

/** How a command ended, for programs; `flowfabric --help` lists them. */
export const exitCodes = {
  /** Done. */
  ok: 0,
  /** Refused by the server, or not as hoped. */
  refused: 1,
  /** The command line or the configuration does not hold. */
  usage: 2,
  /** The server or the store cannot be reached. */
  unreachable: 3,
  /** There is no such thing. */
  notFound: 4,
} as const

/** Ends a command with a message and an exit code other than that of its error. */
export class CommandError extends Error {
  override readonly name = 'CommandError'
  readonly exitCode: number

  constructor(message: string, exitCode: number = exitCodes.usage) {
    super(message)
    this.exitCode = exitCode
  }
}
