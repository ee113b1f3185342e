/** The steps of a run, as far as they may explain a difference. */
export interface Trail {
  /** With what the words of a call name. */
  begin(index: number, text: string, named: readonly string[]): void
  answered(outcomes: readonly string[]): void
  touched(ids: readonly string[]): void
  /** The last step, and those before it that touched the same. */
  tell(): string
}

interface Told {
  readonly text: string
  outcomes: string
  readonly ids: Set<string>
}

const remembered = 2_000
const told = 40

export function createTrail(): Trail {
  const steps: Told[] = []
  const last = () => steps.at(-1)
  return {
    begin(index, text, named) {
      steps.push({ text: `${index}. ${text}`, outcomes: '(not answered alike)', ids: new Set(named) })
      if (steps.length > remembered) steps.shift()
    },
    answered(outcomes) {
      const step = last()
      if (step !== undefined) step.outcomes = outcomes.join()
    },
    touched(ids) {
      for (const id of ids) last()?.ids.add(id)
    },
    tell() {
      const end = last()
      if (end === undefined) return 'at its beginning'
      const isAbout = ({ ids }: Told) => [...ids].some((id) => end.ids.has(id))
      const related = steps.filter((step) => step !== end && isAbout(step)).slice(-told)
      const line = ({ text, outcomes }: Told) => `  ${text}\n     ${outcomes}`
      return [
        'it was:',
        line(end),
        'before it, about the same:',
        ...related.map(line),
        'and just before it:',
        ...steps.slice(-12, -1).map(line),
      ].join('\n')
    },
  }
}
