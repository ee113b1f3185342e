/** Work that has the same name is done one after the other; other work goes on beside it. */
export interface Turns {
  take<T>(name: string, work: () => Promise<T>): Promise<T>
}

export function createTurns(): Turns {
  const last = new Map<string, Promise<unknown>>()
  return {
    take(name, work) {
      const before = last.get(name)
      const mine = before === undefined ? work() : before.then(work, work)
      last.set(name, mine)
      const leave = () => {
        if (last.get(name) === mine) last.delete(name)
      }
      mine.then(leave, leave)
      return mine
    },
  }
}
