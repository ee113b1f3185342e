import { setTimeout as pause } from 'node:timers/promises'
import type { Random } from '../../model/random.js'
import type { Ledger } from './ledger.js'
import type { Role, Stage } from './role.js'

export interface Load {
  /** Begins nothing more; resolves when what is under way was answered. */
  stop(): Promise<void>
}

export interface LoadOptions {
  /** At each stage, how many take turns at once: more where every answer takes its time. */
  readonly submitters?: number | undefined
  /** Between two turns of one of them, on average. */
  readonly pauseMs?: number | undefined
}

/** How often people look whether something waits for them. */
const attendEveryMs = 500

/** All roles in turns, by chance, at all stages, until it is stopped. */
export function startLoad(
  stages: readonly Omit<Stage, 'below'>[],
  roles: readonly Role[],
  ledger: Ledger,
  random: Random,
  { submitters = 1, pauseMs = 25 }: LoadOptions = {},
): Load {
  let isOver = false
  const below = (bound: number) => Math.floor(random.next() * bound)
  const takeTurns = async (stage: Stage) => {
    const turns = new Set<Promise<void>>()
    while (!isOver) {
      const turn = chooseRole(roles, random)
        .act(stage)
        .catch((error: unknown) => ledger.refused(error))
      turns.add(turn)
      void turn.finally(() => turns.delete(turn))
      // One that waits for something, such as for an end, keeps nobody else from theirs.
      await Promise.race([turn, pause(4 * pauseMs)])
      await pause(below(2 * pauseMs))
    }
    await Promise.all(turns)
  }
  const attend = async (stage: Stage) => {
    while (!isOver) {
      await attendAll(stage, roles, ledger)
      await pause(attendEveryMs)
    }
  }
  const staged = stages.map((stage) => ({ ...stage, below }))
  const running = [
    ...staged.flatMap((stage) => Array.from({ length: submitters }, () => takeTurns(stage))),
    ...staged.slice(0, 1).map(attend),
  ]
  return {
    async stop() {
      isOver = true
      await Promise.all(running)
    },
  }
}

export async function attendAll(stage: Stage, roles: readonly Role[], ledger: Ledger): Promise<void> {
  for (const role of roles) {
    await role.attend?.(stage).catch((error: unknown) => ledger.refused(error))
  }
}

function chooseRole(roles: readonly Role[], random: Random): Role {
  let at = random.next() * roles.reduce((sum, { weight }) => sum + weight, 0)
  for (const role of roles) {
    at -= role.weight
    if (at < 0) return role
  }
  throw new Error('a load needs a role')
}
