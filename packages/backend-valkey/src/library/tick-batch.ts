/** Carries out what is asked for in one tick together, at most `max` at a time; `run` answers in the order of its items. */
export function createTickBatch<Item, Answer>(
  run: (items: readonly Item[]) => Promise<readonly Answer[]>,
  max: number,
): (item: Item) => Promise<Answer> {
  interface Waiting {
    readonly item: Item
    resolve(answer: Answer): void
    reject(error: unknown): void
  }
  let waiting: Waiting[] = []

  const carryOut = async (batch: readonly Waiting[]): Promise<void> => {
    try {
      const answers = await run(batch.map(({ item }) => item))
      batch.forEach((each, place) => {
        each.resolve(answers[place] as Answer)
      })
    } catch (error) {
      for (const { reject } of batch) reject(error)
    }
  }

  const start = () => {
    const all = waiting
    waiting = []
    for (let from = 0; from < all.length; from += max) void carryOut(all.slice(from, from + max))
  }

  return (item) =>
    new Promise((resolve, reject) => {
      if (waiting.push({ item, resolve, reject }) === 1) process.nextTick(start)
    })
}
