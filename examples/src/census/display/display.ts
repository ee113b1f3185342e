import type { Board, Row } from './board.js'
import { formatRow } from './format-row.js'
import { formatTree } from './tree-lines.js'

const FRAME_MS = 100

/** Shows a flow while it runs. */
export interface Display {
  readonly board: Board
  /** A member has moved. */
  show(row: Row): void
  /** Draws the end state and stops. */
  close(): void
}

/** A live tree in a terminal, plain lines elsewhere. `clockMs` is the store's time. */
export function createDisplay(board: Board, output: NodeJS.WriteStream, clockMs: () => number): Display {
  return output.isTTY ? createLiveTree(board, output, clockMs) : createPlainLines(board, output, clockMs)
}

function createLiveTree(board: Board, output: NodeJS.WriteStream, clockMs: () => number): Display {
  let drawn = 0
  const draw = (linesMax: number) => {
    const lines = formatTree(board, clockMs(), linesMax, output.columns)
    // Over the frame before, line by line, so that nothing flickers.
    const up = drawn === 0 ? '' : `\u001b[${drawn}A`
    output.write(`${up}${lines.map((line) => `\u001b[2K${line}\n`).join('')}\u001b[0J`)
    drawn = lines.length
  }
  const timer = setInterval(() => draw(output.rows - 2), FRAME_MS)
  return {
    board,
    show: () => undefined,
    close() {
      clearInterval(timer)
      // The screen may scroll now: everything is shown.
      draw(Number.POSITIVE_INFINITY)
    },
  }
}

function createPlainLines(board: Board, output: NodeJS.WriteStream, clockMs: () => number): Display {
  const beganAtMs = clockMs()
  return {
    board,
    show(row) {
      if (row.state === 'waiting' || row.state === 'waiting_children') return
      const nowMs = clockMs()
      const seconds = ((nowMs - beganAtMs) / 1_000).toFixed(2).padStart(7)
      output.write(`${seconds} s  ${formatRow(row, nowMs, NAME_WIDTH)}\n`)
    },
    close: () => undefined,
  }
}

const NAME_WIDTH = 18
