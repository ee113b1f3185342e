/** A terminal that several write to: words run on in one line, all else has lines of its own. */
export interface Screen {
  word(text: string): void
  line(text: string): void
}

export function createScreen(write: (text: string) => void): Screen {
  let isInLine = false
  return {
    word(text) {
      write(isInLine ? text : `✎ ${text}`)
      isInLine = true
    },
    line(text) {
      write(`${isInLine ? '\n' : ''}${text}\n`)
      isInLine = false
    },
  }
}
