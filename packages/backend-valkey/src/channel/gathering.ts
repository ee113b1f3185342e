/** Where the answer to one item goes. */
export interface Answering<Reply> {
  resolve(reply: Reply): void
  reject(fault: unknown): void
}

/** The answers to the items of one call of the contract, each in its place: one promise for all of them. */
export interface Gathering<Answer> {
  /** All answers; rejects with the first fault that is not an item's own. */
  readonly all: Promise<readonly Answer[]>
  /** Resolves when each item has its answer or its fault. */
  readonly ended: Promise<void>
  answer(place: number, answer: Answer): void
  /** `send` has the item answered, now or later; `read` makes its answer of that. */
  ask<Reply>(place: number, send: (answering: Answering<Reply>) => void, read: (reply: Reply) => Answer): void
}

/** `excuse` makes an answer of a fault that is the item's own, and throws any other. */
export function gather<Answer>(count: number, excuse: (fault: unknown) => Answer): Gathering<Answer> {
  const answers: Answer[] = []
  const all = withSettlers<readonly Answer[]>()
  const ended = withSettlers<void>()
  let left = count
  const settleOne = () => {
    left -= 1
    if (left <= 0) end()
  }
  const end = () => {
    all.resolve(answers)
    ended.resolve()
  }
  if (count === 0) end()

  return {
    all: all.promise,
    ended: ended.promise,
    answer(place, answer) {
      answers[place] = answer
      settleOne()
    },
    ask(place, send, read) {
      const reject = (fault: unknown) => {
        try {
          answers[place] = excuse(fault)
        } catch (error) {
          all.reject(error)
        }
        settleOne()
      }
      const resolve = (reply: Parameters<typeof read>[0]) => {
        try {
          answers[place] = read(reply)
        } catch (fault) {
          return reject(fault)
        }
        settleOne()
      }
      try {
        send({ resolve, reject })
      } catch (fault) {
        reject(fault)
      }
    },
  }
}

function withSettlers<Value>() {
  let settlers!: Answering<Value>
  const promise = new Promise<Value>((resolve, reject) => {
    settlers = { resolve, reject }
  })
  return { promise, ...settlers }
}
